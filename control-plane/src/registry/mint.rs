//! Makes what must be new: generation ids, etags and keys.

use aws_lc_rs::rand;
use ringhub_core::auth::KeyPair;
use ringhub_core::time::UnixMillis;

use super::ETag;
use crate::clock;
use crate::directory::GenerationId;

/// .NET ticks (100 ns) between the year 1 and 1970.
const TICKS_TO_UNIX_EPOCH: u64 = 621_355_968_000_000_000;
const TICKS_PER_MILLI: u64 = 10_000;

impl GenerationId {
    /// When the identity was made, as its id tells.
    pub(crate) fn created(self) -> UnixMillis {
        let millis = self.0.saturating_sub(TICKS_TO_UNIX_EPOCH) / TICKS_PER_MILLI;
        UnixMillis::from_millis(i64::try_from(millis).unwrap_or_default())
    }
}

/// Makes new values. One per writer, so that no generation id comes twice.
#[derive(Debug)]
pub(crate) struct Mint {
    last_generation: GenerationId,
}

/// The system has no random bytes to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub(crate) struct NoEntropy;

impl Mint {
    /// Makes values later than `last`, the latest generation id of all that is stored.
    pub(crate) fn after(last: GenerationId) -> Self {
        Self { last_generation: last }
    }

    /// A generation id as .NET writes the present time; rises always, also when the clock does not.
    ///
    /// Source: control-plane reference, "Device object".
    pub(crate) fn generation(&mut self) -> GenerationId {
        let millis = u64::try_from(clock::now().as_millis()).unwrap_or_default();
        let ticks = TICKS_TO_UNIX_EPOCH + millis * TICKS_PER_MILLI;
        self.last_generation = GenerationId(ticks.max(self.last_generation.0 + 1));
        self.last_generation
    }

    /// The etag of a new identity: random, so that one of a deleted predecessor hardly matches.
    pub(crate) fn etag() -> Result<ETag, NoEntropy> {
        let mut bytes = [0; 4];
        rand::fill(&mut bytes).map_err(|_| NoEntropy)?;
        Ok(ETag(u64::from(u32::from_le_bytes(bytes))))
    }

    /// What the owner of a certificate authority signs: 48 digits.
    ///
    /// Source: control-plane reference, "Certificates".
    pub(crate) fn verification_code() -> Result<String, NoEntropy> {
        let mut bytes = [0; 24];
        rand::fill(&mut bytes).map_err(|_| NoEntropy)?;
        Ok(bytes.iter().map(|byte| format!("{byte:02X}")).collect())
    }

    /// Two random keys of 32 bytes.
    pub(crate) fn keys() -> Result<KeyPair, NoEntropy> {
        let mut bytes = [0; 64];
        rand::fill(&mut bytes).map_err(|_| NoEntropy)?;
        let (primary, secondary) = bytes.split_at(32);
        KeyPair::new(primary, secondary).map_err(|_| NoEntropy)
    }
}
