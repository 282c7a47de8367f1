//! Certificate authorities of a hub.
//!
//! Paths and bodies are those that the resource provider has below the hub.
//!
//! Source: control-plane reference, "Certificates".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::IF_MATCH;
use http::{HeaderMap, StatusCode};
use ringhub_core::auth::{Authority, CertificateRefused, certificate_of};
use ringhub_core::codec::http::HttpDate;
use serde_json::{Value, json};

use super::hub::page;
use super::json::{Members, parse};
use super::request::Context;
use super::{Answer, Api, ApiError, MapOutcome, Response};
use crate::certificate::{CertificateChange, CertificateDraft, CertificateError, HubCertificate};
use crate::registry::{Change, Existing, Outcome, RegistryError};
use crate::store::CertificateStore as _;

impl Api {
    pub(super) fn list_certificates(&self, context: &Context) -> Result<Answer, ApiError> {
        let all = self.store.certificates(context.hub).map_err(|error| self.unreadable(&error))?;
        Ok(page(all.iter().map(|one| certificate_json(context.parent(), one)).collect()))
    }

    pub(super) fn show_certificate(
        &self,
        context: &Context,
        name: &str,
    ) -> Result<Answer, ApiError> {
        let found = self.store.certificate(context.hub, name);
        let found = found.map_err(|error| self.unreadable(&error))?;
        let found = found.ok_or(CertificateError::NotFound)?;
        let shown = certificate_json(context.parent(), &found);
        Ok(Answer::Ready(Response::json(StatusCode::OK, &shown)))
    }

    /// Answers 201 for a new one, and 200 for another one under a name that was there.
    pub(super) fn put_certificate(context: &Context, name: String) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let members = Members::of(&body)?;
        // Versions before 2021-07 have no object around them.
        let members = members.object("properties")?.unwrap_or(members);
        let is_verified = members.flag("isVerified")?.unwrap_or(false);
        let authority = Authority::parse(&der(members)?).map_err(|why| match why {
            CertificateRefused::Issuer => CertificateError::NoAuthority,
            why => why.into(),
        })?;
        let draft = CertificateDraft { name, authority, is_verified };
        let when = condition(&context.request.headers).unwrap_or(Existing::Refuse);
        let change = CertificateChange::Put(Box::new(draft), when);
        Ok(after(context, change, certificate_json))
    }

    /// Answers 204 for one that is not there.
    pub(super) fn delete_certificate(context: &Context, name: String) -> Result<Answer, ApiError> {
        let when = required_condition(&context.request.headers)?;
        let change = Change::Certificate(context.hub, CertificateChange::Delete(name, when));
        let map: MapOutcome = Box::new(|outcome| match outcome {
            Outcome::CertificateDeleted { was_there: true } => Ok(Response::empty(StatusCode::OK)),
            _ => Ok(Response::empty(StatusCode::NO_CONTENT)),
        });
        Ok(Answer::After(change, map))
    }

    pub(super) fn make_verification_code(
        context: &Context,
        name: String,
    ) -> Result<Answer, ApiError> {
        let when = required_condition(&context.request.headers)?;
        Ok(after(context, CertificateChange::MakeCode(name, when), certificate_json_with_code))
    }

    pub(super) fn verify_certificate(context: &Context, name: String) -> Result<Answer, ApiError> {
        let when = required_condition(&context.request.headers)?;
        let body = parse(&context.request.body)?;
        let proof = der(Members::of(&body)?)?.into();
        Ok(after(context, CertificateChange::Verify(name, when, proof), certificate_json))
    }
}

/// The answer to a change that gives a certificate.
fn after(
    context: &Context,
    change: CertificateChange,
    shape: fn(&str, &HubCertificate) -> Value,
) -> Answer {
    let parent = context.parent().to_owned();
    let map = move |outcome| match outcome {
        Outcome::Certificate { certificate, is_new } => {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok(Response::json(status, &shape(&parent, &certificate)))
        }
        _ => Err(RegistryError::Storage.into()),
    };
    Answer::After(Change::Certificate(context.hub, change), Box::new(map))
}

/// The certificate in a body, in DER.
fn der(members: Members<'_>) -> Result<Vec<u8>, ApiError> {
    let text = members.filled("certificate")?.ok_or(RegistryError::BodyMissing)?;
    Ok(certificate_of(text).map_err(CertificateError::from)?)
}

/// Reads `If-Match`. Clients of the resource provider send etags as they stand in its documents,
/// without quotes.
pub(crate) fn condition(headers: &HeaderMap) -> Option<Existing> {
    let text = headers.get(IF_MATCH)?.to_str().ok()?.trim();
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    if text == "*" { Some(Existing::Overwrite) } else { Some(Existing::Match(text.to_owned())) }
}

fn required_condition(headers: &HeaderMap) -> Result<Existing, CertificateError> {
    condition(headers).ok_or(CertificateError::ConditionMissing)
}

fn certificate_json(parent: &str, certificate: &HubCertificate) -> Value {
    let HubCertificate { name, etag, authority, is_verified, created, updated, .. } = certificate;
    json!({
        "id": format!("{parent}/certificates/{name}"),
        "name": name,
        "type": "Microsoft.Devices/IotHubs/Certificates",
        "etag": etag.text(),
        "properties": {
            "subject": authority.subject,
            "expiry": HttpDate(authority.not_after).to_string(),
            "thumbprint": authority.thumbprint(),
            "isVerified": is_verified,
            "created": HttpDate(*created).to_string(),
            "updated": HttpDate(*updated).to_string(),
            "certificate": STANDARD.encode(&authority.der),
        },
    })
}

fn certificate_json_with_code(parent: &str, certificate: &HubCertificate) -> Value {
    let mut document = certificate_json(parent, certificate);
    document["properties"]["verificationCode"] =
        json!(certificate.code.as_ref().map(|code| &code.text));
    document
}
