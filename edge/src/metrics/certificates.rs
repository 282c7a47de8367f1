//! The certificates that are presented.

use std::fmt::Display;

use time::OffsetDateTime;

use super::page::{Kind, Page};
use crate::tls::Certificates;

pub(super) fn write(certificates: &Certificates, page: &mut Page) {
    let (status, now) = (certificates.status(), OffsetDateTime::now_utc());
    let help = "Time until a certificate of a host name ends; below zero once it has.";
    let mut expiry = page.family("ringhub_certificate_expiry_seconds", Kind::Gauge, help);
    for certificate in &status {
        let labels: [(_, &dyn Display); 2] =
            [("host_name", &certificate.host_name), ("key", &certificate.key_kind)];
        expiry.sample(&labels, certificate.expiry_s(now));
    }
    let reloads = certificates.reloads();
    let help = "Times that certificates were exchanged, or could not be.";
    let mut family = page.family("ringhub_certificate_reloads_total", Kind::Counter, help);
    family.sample(&[("result", &"completed")], reloads.completed);
    family.sample(&[("result", &"failed")], reloads.failed);
}
