-- Imports of products: the file while it is needed, what came of its rows, and what an undo needs.
CREATE TABLE catalog_import (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('staged', 'running', 'done', 'undoing', 'undone', 'failed')),
    dry_run BIGINT NOT NULL CHECK (dry_run IN (0, 1)),
    stock TEXT NOT NULL CHECK (stock IN ('new', 'set')),
    -- SHA-256 of the file; empty until all of it is here.
    digest TEXT NOT NULL,
    -- The file's first line as a JSON array, for the file of rejected rows.
    header TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    -- The import's progress: bytes worked off, and the number of the last product or stray row that is done.
    bytes_done BIGINT NOT NULL,
    items BIGINT NOT NULL,
    line_count BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    left_out BIGINT NOT NULL,
    variants BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    -- Why it failed.
    fault_code TEXT,
    fault TEXT,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- Who works on it until when. Whoever comes later takes over.
    driver TEXT NOT NULL,
    resume_at BIGINT NOT NULL,
    -- Take-overs since the last progress.
    tries BIGINT NOT NULL,
    -- The undo: who, whether by force, the lowest item that was taken back, what came of it.
    undo_actor TEXT,
    undo_request_id TEXT,
    undo_force BIGINT NOT NULL,
    undo_item BIGINT NOT NULL,
    restored BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    undone_at BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
-- What somebody has to work on, and files that are expected again.
CREATE INDEX catalog_import_open ON catalog_import (id) WHERE state IN ('staged', 'running', 'undoing');
CREATE INDEX catalog_import_created ON catalog_import (created_at);

-- The file in pieces; `coding` is 'text', or 'hex' where the bytes are no text. Gone when the import is at rest.
CREATE TABLE catalog_import_piece (
    import_id TEXT NOT NULL REFERENCES catalog_import (id),
    place BIGINT NOT NULL,
    coding TEXT NOT NULL CHECK (coding IN ('text', 'hex')),
    data TEXT NOT NULL,
    PRIMARY KEY (import_id, place)
);

-- Rows that stayed out, with their cells as a JSON array; `reason` is empty for the sound rows of their products.
CREATE TABLE catalog_import_row (
    import_id TEXT NOT NULL REFERENCES catalog_import (id),
    line BIGINT NOT NULL,
    handle TEXT,
    reason TEXT NOT NULL,
    cells TEXT NOT NULL,
    PRIMARY KEY (import_id, line)
);

-- What an import did to a product, by the item of the file. `undo` is empty until it is taken back.
CREATE TABLE catalog_import_change (
    import_id TEXT NOT NULL REFERENCES catalog_import (id),
    item BIGINT NOT NULL,
    line BIGINT NOT NULL,
    handle TEXT NOT NULL,
    product_id TEXT,
    action TEXT NOT NULL CHECK (action IN ('created', 'updated')),
    change TEXT NOT NULL,
    undo TEXT NOT NULL CHECK (undo IN ('', 'restored', 'kept')),
    kept TEXT NOT NULL,
    PRIMARY KEY (import_id, item)
);
