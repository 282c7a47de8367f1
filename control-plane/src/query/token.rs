//! Continuation tokens: a place that a page of a query has ended at, sealed for the hub and query.
//!
//! ```text
//!  token    base64url of  seal 16 ‖ left 8 ‖ kind 1 ‖ place
//!  left     rows that TOP leaves, all ones without it; big endian
//!  place    kind 'd': device, zero byte, module;  kind 'g': hash of a group;
//!           kind 'j': number of a job 8, device, zero byte, module
//!  seal     HMAC-SHA256 over this format, hub, length of the query, query and rest; 16 bytes
//! ```
//!
//! The key is one that the hub keeps anyway, of the policy that may do everything: so tokens
//! survive a restart and a restored backup, and end with that key.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::execution::{At, Place, QueryFailure};
use crate::directory::Hub;

const SEAL_BYTES: usize = 16;
const FORMAT: &[u8] = b"ringhub query token 1\0";
/// Policy whose primary key seals.
const POLICY: &str = "iothubowner";

const DOCUMENT: u8 = b'd';
const GROUP: u8 = b'g';
const JOB_ROW: u8 = b'j';

/// Longest token that is looked at: ids have at most 128 characters.
const TOKEN_CHARS_MAX: usize = 512;

/// Makes a token and reads it.
pub(crate) struct Sealer<'h> {
    hub: &'h Hub,
    query: &'h str,
}

impl<'h> Sealer<'h> {
    pub(crate) const fn new(hub: &'h Hub, query: &'h str) -> Self {
        Self { hub, query }
    }

    pub(crate) fn seal(&self, place: &Place) -> String {
        let mut content = place.left.unwrap_or(u64::MAX).to_be_bytes().to_vec();
        match &place.at {
            At::Document { device, module } => {
                content.push(DOCUMENT);
                content.extend_from_slice(device.as_bytes());
                content.push(0);
                content.extend_from_slice(module.as_bytes());
            }
            At::JobRow { job, device, module } => {
                content.push(JOB_ROW);
                content.extend_from_slice(&job.to_be_bytes());
                content.extend_from_slice(device.as_bytes());
                content.push(0);
                content.extend_from_slice(module.as_bytes());
            }
            At::Group(key) => {
                content.push(GROUP);
                content.extend_from_slice(key);
            }
        }
        let token = [&self.tag(&content)[..], &content].concat();
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The place in a token.
    ///
    /// # Errors
    /// [`QueryFailure::Token`] for one of another query or hub, and for what is none.
    pub(crate) fn open(&self, token: &[u8]) -> Result<Place, QueryFailure> {
        self.place(token).ok_or(QueryFailure::Token)
    }

    fn place(&self, token: &[u8]) -> Option<Place> {
        let token = if token.len() > TOKEN_CHARS_MAX { return None } else { token };
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (seal, content) = bytes.split_at_checked(SEAL_BYTES)?;
        verify_slices_are_equal(seal, &self.tag(content)).ok()?;
        let (left, rest) = content.split_first_chunk::<8>()?;
        let left = u64::from_be_bytes(*left);
        let at = match rest.split_first()? {
            (&DOCUMENT, key) => {
                let (device, module) = names(key)?;
                At::Document { device, module }
            }
            (&JOB_ROW, key) => {
                let (job, key) = key.split_first_chunk::<8>()?;
                let (device, module) = names(key)?;
                At::JobRow { job: u64::from_be_bytes(*job), device, module }
            }
            (&GROUP, key) => At::Group(key.try_into().ok()?),
            _ => return None,
        };
        Some(Place { at, left: (left != u64::MAX).then_some(left) })
    }

    fn tag(&self, content: &[u8]) -> [u8; SEAL_BYTES] {
        let policies = self.hub.policies.read();
        let owner = policies.iter().find(|policy| policy.name == POLICY);
        let key =
            owner.or_else(|| policies.first()).map_or(&b""[..], |policy| policy.keys.primary());
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        for part in [
            FORMAT,
            &self.hub.id.0.to_be_bytes(),
            self.hub.host_name.as_bytes(),
            &(self.query.len() as u64).to_be_bytes(),
            self.query.as_bytes(),
            content,
        ] {
            context.update(part);
        }
        let tag = context.sign();
        let seal = tag.as_ref().first_chunk();
        *seal.expect("a tag of SHA-256 is longer than a seal")
    }
}

fn names(key: &[u8]) -> Option<(String, String)> {
    let (device, module) = str::from_utf8(key).ok()?.split_once('\0')?;
    Some((device.to_owned(), module.to_owned()))
}
