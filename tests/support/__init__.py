"""What tests share: real repositories, a real git server, real databases."""
