"""Where deployments, failures and definitions come from: bytes to values, one outside party each."""
