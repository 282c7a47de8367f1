//! Applies a change of a certificate to the store. Runs on the writer thread, inside its
//! transaction.

use ringhub_core::auth::{Authority, CertificateRefused};
use ringhub_core::id::HubId;
use ringhub_core::limits::AUTHORITIES_MAX;
use ringhub_core::time::UnixMillis;

use super::record::check_name;
use super::{
    CertificateChange, CertificateDraft, CertificateETag, CertificateError, HubCertificate,
    VerificationCode,
};
use crate::registry::{ChangeError, Effect, Existing, Mint, Outcome, RegistryError};
use crate::store::{Store, StoreError};

/// The writer's tools for one change.
pub(crate) struct CertificateApplier<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) now: UnixMillis,
    /// What the directory must learn after the commit.
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl CertificateApplier<'_> {
    /// Makes one change, or says why not. A refused change has written nothing.
    pub(crate) fn apply(
        &mut self,
        hub: HubId,
        change: CertificateChange,
    ) -> Result<Outcome, ChangeError> {
        match change {
            CertificateChange::Put(draft, when) => self.put(hub, *draft, &when),
            CertificateChange::Delete(name, when) => self.delete(hub, &name, &when),
            CertificateChange::MakeCode(name, when) => {
                let text = Mint::verification_code().map_err(|_| RegistryError::Storage)?;
                let mut certificate = self.find(hub, &name, &when)?;
                certificate.code = Some(VerificationCode { text, made: self.now });
                self.write(hub, certificate, false)
            }
            CertificateChange::Verify(name, when, proof) => {
                let mut certificate = self.find(hub, &name, &when)?;
                let code = certificate.code.take().ok_or(CertificateError::NoCode)?;
                let code = code.check(self.now)?;
                certificate.authority.check_proof(&proof, code, self.now).map_err(refused)?;
                certificate.is_verified = true;
                self.write(hub, certificate, false)
            }
        }
    }

    fn put(
        &mut self,
        hub: HubId,
        draft: CertificateDraft,
        when: &Existing,
    ) -> Result<Outcome, ChangeError> {
        let CertificateDraft { name, authority, is_verified } = draft;
        check_name(&name)?;
        match authority.valid_until(self.now) {
            // Its time will come.
            Ok(_) | Err(CertificateRefused::NotYetValid) => {}
            Err(why) => return Err(refused(why).into()),
        }
        let all = self.store.certificates(hub)?;
        let is_named = |one: &HubCertificate| one.name.eq_ignore_ascii_case(&name);
        if all.iter().any(|one| one.authority == authority && !is_named(one)) {
            return Err(CertificateError::Exists.into());
        }
        let count = all.len();
        let certificate = match all.into_iter().find(is_named) {
            Some(known) => {
                check(when, known.etag)?;
                HubCertificate { authority, is_verified, code: None, ..known }
            }
            None if matches!(when, Existing::Match(_)) => {
                return Err(CertificateError::NotFound.into());
            }
            None if count >= AUTHORITIES_MAX => return Err(CertificateError::TooMany.into()),
            None => {
                let etag = Mint::etag().map_err(|_| RegistryError::Storage)?;
                let certificate = HubCertificate {
                    name,
                    etag: CertificateETag(etag.0),
                    authority,
                    is_verified,
                    created: self.now,
                    updated: self.now,
                    code: None,
                };
                return self.write(hub, certificate, true);
            }
        };
        self.write(hub, certificate, false)
    }

    fn delete(&mut self, hub: HubId, name: &str, when: &Existing) -> Result<Outcome, ChangeError> {
        let Some(certificate) = self.store.certificate(hub, name)? else {
            return Ok(Outcome::CertificateDeleted { was_there: false });
        };
        check(when, certificate.etag)?;
        self.store.delete_certificate(hub, &certificate.name)?;
        self.tell(hub)?;
        Ok(Outcome::CertificateDeleted { was_there: true })
    }

    fn find(&self, hub: HubId, name: &str, when: &Existing) -> Result<HubCertificate, ChangeError> {
        let found = self.store.certificate(hub, name)?.ok_or(CertificateError::NotFound)?;
        check(when, found.etag)?;
        Ok(found)
    }

    fn write(
        &mut self,
        hub: HubId,
        mut certificate: HubCertificate,
        is_new: bool,
    ) -> Result<Outcome, ChangeError> {
        if !is_new {
            certificate.etag = certificate.etag.next();
            certificate.updated = self.now;
        }
        self.store.put_certificate(hub, &certificate)?;
        self.tell(hub)?;
        Ok(Outcome::Certificate { certificate: Box::new(certificate), is_new })
    }

    fn tell(&mut self, hub: HubId) -> Result<(), StoreError> {
        let verified = verified_authorities(self.store.certificates(hub)?);
        self.effects.push(Effect::AuthoritiesSet(hub, verified));
        Ok(())
    }
}

/// Those that admit devices.
pub(crate) fn verified_authorities(all: Vec<HubCertificate>) -> Vec<Authority> {
    all.into_iter().filter(|one| one.is_verified).map(|one| one.authority).collect()
}

fn check(when: &Existing, etag: CertificateETag) -> Result<(), CertificateError> {
    match when {
        Existing::Overwrite => Ok(()),
        Existing::Match(text) if *text == etag.text() => Ok(()),
        Existing::Match(_) | Existing::Refuse => Err(CertificateError::ETag),
    }
}

fn refused(why: CertificateRefused) -> CertificateError {
    CertificateError::Refused(why)
}
