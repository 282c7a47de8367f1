//! The certificate authorities of a hub that count, each with a number for as long as it is there.

use std::sync::{Arc, PoisonError, RwLock};

use ringhub_core::auth::Authority;
use ringhub_core::id::HubId;

use super::entry::DeviceEntry;
use super::registry::cut;
use super::{Cut, CutReason, Directory, Proof};

/// A list that any thread reads and the writer rarely replaces.
#[derive(Debug, Default)]
pub(crate) struct Authorities(RwLock<Listed>);

#[derive(Debug, Default)]
struct Listed {
    all: Arc<[(u8, Authority)]>,
    /// Number of the one that was added last: a number comes again only after all others.
    latest: u8,
}

impl Authorities {
    /// The authorities at this moment, by their numbers.
    pub(super) fn read(&self) -> Arc<[(u8, Authority)]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).all.clone()
    }

    /// True while the authority of this number is there.
    pub(super) fn has(&self, number: u8) -> bool {
        self.read().iter().any(|(other, _)| *other == number)
    }

    /// Puts others in place; returns the numbers that are gone.
    fn replace(&self, authorities: Vec<Authority>) -> Vec<u8> {
        let mut listed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = listed.all.clone();
        let mut all: Vec<(u8, Authority)> = Vec::with_capacity(authorities.len());
        for authority in authorities {
            let known = before.iter().find(|(_, other)| *other == authority);
            let number = known.map_or_else(
                || {
                    let is_taken =
                        |number: u8| before.iter().chain(&all).any(|(n, _)| *n == number);
                    let after = (1..=u8::MAX).map(|step| listed.latest.wrapping_add(step));
                    after.into_iter().find(|number| !is_taken(*number)).unwrap_or_default()
                },
                |(number, _)| *number,
            );
            if known.is_none() {
                listed.latest = number;
            }
            all.push((number, authority));
        }
        let gone = before.iter().map(|(number, _)| *number);
        let gone = gone.filter(|number| !all.iter().any(|(other, _)| other == number)).collect();
        listed.all = all.into();
        gone
    }
}

impl Directory {
    /// Lets these certificate authorities count, and no others, for a hub. Returns the seats that
    /// must end, because what admitted them is gone.
    ///
    /// Looks at all identities when an authority is gone: some ten nanoseconds each.
    pub(crate) fn set_authorities(&self, hub: HubId, authorities: Vec<Authority>) -> Vec<Cut> {
        let Some(table) = self.table(hub) else { return Vec::new() };
        // Replaced first: who reserves later finds it gone, who did before is found below.
        let gone = table.hub.authorities.replace(authorities);
        let mut cuts = Vec::new();
        if gone.is_empty() {
            return cuts;
        }
        let is_lost = |proof| matches!(proof, Proof::Authority(number) if gone.contains(&number));
        for stripe in table.stripes() {
            for (id, device) in &stripe.devices {
                let lost = lost_seats(device, is_lost);
                cuts.extend(lost.map(cut(id, CutReason::CertificateRemoved)));
            }
        }
        cuts
    }
}

fn lost_seats(
    device: &DeviceEntry,
    is_lost: impl Fn(Proof) -> bool,
) -> impl Iterator<Item = super::entry::Seated> {
    device.seats_with_proof().filter(move |(_, proof)| is_lost(*proof)).map(|(seated, _)| seated)
}
