//! Certificate authorities of hubs in the database.

use ringhub_core::auth::Authority;
use ringhub_core::id::HubId;
use ringhub_core::time::UnixMillis;
use rusqlite::{Connection, Row, params};

use super::row::{signed, unsigned};
use super::{SqliteStore, StoreError};
use crate::certificate::{CertificateETag, HubCertificate, VerificationCode, verified_authorities};
use crate::directory::Directory;

/// The certificates that were uploaded; names compare without case.
pub(super) const TABLE: &str = "
CREATE TABLE certificate (
    hub_id INTEGER NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    etag INTEGER NOT NULL,
    der BLOB NOT NULL,
    verified INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    code TEXT,
    code_made_ms INTEGER,
    PRIMARY KEY (hub_id, name)
) STRICT, WITHOUT ROWID;
";

const COLUMNS: &str = "name, etag, der, verified, created_ms, updated_ms, code, code_made_ms";

/// Certificates of all hubs.
pub(crate) trait CertificateStore {
    /// The certificates of a hub, by their names.
    fn certificates(&self, hub: HubId) -> Result<Vec<HubCertificate>, StoreError>;
    /// The certificate of this name, in any case.
    fn certificate(&self, hub: HubId, name: &str) -> Result<Option<HubCertificate>, StoreError>;
    /// Stores a certificate in place of the one with its name.
    fn put_certificate(&self, hub: HubId, certificate: &HubCertificate) -> Result<(), StoreError>;
    /// Removes a certificate.
    fn delete_certificate(&self, hub: HubId, name: &str) -> Result<(), StoreError>;
}

impl CertificateStore for SqliteStore {
    fn certificates(&self, hub: HubId) -> Result<Vec<HubCertificate>, StoreError> {
        certificates(&self.connection, hub)
    }

    fn certificate(&self, hub: HubId, name: &str) -> Result<Option<HubCertificate>, StoreError> {
        let all = self.certificates(hub)?;
        Ok(all.into_iter().find(|one| one.name.eq_ignore_ascii_case(name)))
    }

    fn put_certificate(&self, hub: HubId, certificate: &HubCertificate) -> Result<(), StoreError> {
        let HubCertificate { name, etag, authority, is_verified, created, updated, code } =
            certificate;
        self.execute(
            "INSERT OR REPLACE INTO certificate \
             (hub_id, name, etag, der, verified, created_ms, updated_ms, code, code_made_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                hub.0,
                name,
                signed(etag.0),
                authority.der,
                is_verified,
                created.as_millis(),
                updated.as_millis(),
                code.as_ref().map(|code| &code.text),
                code.as_ref().map(|code| code.made.as_millis()),
            ],
        )
    }

    fn delete_certificate(&self, hub: HubId, name: &str) -> Result<(), StoreError> {
        let statement = "DELETE FROM certificate WHERE hub_id = ?1 AND name = ?2";
        self.execute(statement, params![hub.0, name])
    }
}

/// Tells `directory` the authorities that count.
pub(super) fn load(connection: &Connection, directory: &Directory) -> Result<(), StoreError> {
    for hub in directory.hubs().iter().map(|hub| hub.id) {
        let cuts =
            directory.set_authorities(hub, verified_authorities(certificates(connection, hub)?));
        debug_assert!(cuts.is_empty(), "nobody is connected at the start");
    }
    Ok(())
}

fn certificates(connection: &Connection, hub: HubId) -> Result<Vec<HubCertificate>, StoreError> {
    let statement = format!("SELECT {COLUMNS} FROM certificate WHERE hub_id = ?1 ORDER BY name");
    let mut statement = connection.prepare_cached(&statement)?;
    let mut rows = statement.query([hub.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(certificate(row)?);
    }
    Ok(found)
}

fn certificate(row: &Row<'_>) -> Result<HubCertificate, StoreError> {
    const DER: StoreError = StoreError::Column("der");
    let millis = |column| row.get(column).map(UnixMillis::from_millis);
    let der = row.get_ref(2)?.as_blob().map_err(|_| DER)?;
    let code = match (row.get(6)?, row.get(7)?) {
        (Some(text), Some(made)) => {
            Some(VerificationCode { text, made: UnixMillis::from_millis(made) })
        }
        _ => None,
    };
    Ok(HubCertificate {
        name: row.get(0)?,
        etag: CertificateETag(unsigned(row, 1)?),
        authority: Authority::parse(der).map_err(|_| DER)?,
        is_verified: row.get(3)?,
        created: millis(4)?,
        updated: millis(5)?,
        code,
    })
}
