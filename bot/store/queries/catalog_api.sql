-- name: catalog_entities
-- What is in the catalog by API.
SELECT ref, kind, namespace, name, owner, schema_version, document, text, notices, received_at, receipt, deleted
FROM catalog_entity WHERE deleted = 0 ORDER BY ref

-- name: catalog_entities_by_ref
-- These entities, deleted ones too.
SELECT ref, kind, namespace, name, owner, schema_version, document, text, notices, received_at, receipt, deleted
FROM catalog_entity WHERE ref IN (:keys)

-- name: catalog_kinds
-- The kinds that somebody described, deleted ones too.
SELECT kind, display_name, description, received_at, receipt, deleted FROM catalog_kind ORDER BY kind
