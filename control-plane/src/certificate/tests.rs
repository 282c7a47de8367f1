use ringhub_core::limits::VERIFICATION_CODE_TIME;

use super::*;
use crate::registry::{ChangeError, Effect, Existing, Outcome, RegistryError};
use crate::store::{Database, SqliteStore};
use crate::tests::TempDir;
use crate::tests::certificate::Made;
use ringhub_core::id::HubId;
use ringhub_core::limits::AUTHORITIES_MAX;
use ringhub_core::time::UnixMillis;

const HUB: HubId = HubId(0);
const ANY: Existing = Existing::Overwrite;
/// In 2024.
const NOW: UnixMillis = UnixMillis::from_millis(1_720_000_000_000);

/// Applies changes to a store of its own, at times of its own.
struct World {
    store: SqliteStore,
    effects: Vec<Effect>,
    _database: Database,
    _dir: TempDir,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new();
        let database = Database::open(dir.path()).expect("a fresh directory opens");
        let store = SqliteStore::new(database.connect().expect("the database opens"));
        Self { store, effects: Vec::new(), _database: database, _dir: dir }
    }

    fn apply(
        &mut self,
        now: UnixMillis,
        change: CertificateChange,
    ) -> Result<Outcome, CertificateError> {
        let Self { store, effects, .. } = self;
        match (CertificateApplier { store, now, effects }).apply(HUB, change) {
            Ok(outcome) => Ok(outcome),
            Err(ChangeError::Refused(RegistryError::Certificate(why))) => Err(why),
            Err(other) => panic!("{other}"),
        }
    }

    fn put(&mut self, name: &str, made: &Made, when: Existing) -> Result<bool, CertificateError> {
        let authority = made.parsed();
        let draft = CertificateDraft { name: name.to_owned(), authority, is_verified: false };
        match self.apply(NOW, CertificateChange::Put(Box::new(draft), when))? {
            Outcome::Certificate { is_new, .. } => Ok(is_new),
            other => panic!("{other:?}"),
        }
    }

    fn code(&mut self) -> String {
        let change = CertificateChange::MakeCode("ca".to_owned(), ANY);
        match self.apply(NOW, change).expect("it is there") {
            Outcome::Certificate { certificate, .. } => certificate.code.expect("it was made").text,
            other => panic!("{other:?}"),
        }
    }

    fn verify(&mut self, now: UnixMillis, proof: &Made) -> Result<(), CertificateError> {
        let change = CertificateChange::Verify("ca".to_owned(), ANY, proof.der.clone().into());
        self.apply(now, change).map(drop)
    }

    /// How many authorities the directory was told of last.
    fn told(&self) -> usize {
        match self.effects.last() {
            Some(Effect::AuthoritiesSet(HUB, verified)) => verified.len(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_code_counts_for_seven_days_until_the_next_one_and_once() {
    let mut world = World::new();
    let ca = Made::authority("factory");
    assert_eq!(world.put("ca", &ca, Existing::Refuse), Ok(true));
    let proof = |code: &str| Made::leaf(code, Some(&ca));
    assert_eq!(world.verify(NOW, &proof("x")), Err(CertificateError::NoCode));
    let first = world.code();
    assert_eq!(first.len(), 48);
    let second = world.code();
    assert_ne!(first, second);
    let refused = Err(CertificateError::Refused(ringhub_core::auth::CertificateRefused::Code));
    assert_eq!(world.verify(NOW, &proof(&first)), refused);
    let life_ms = i64::try_from(VERIFICATION_CODE_TIME.as_millis()).expect("it is short");
    let end = UnixMillis::from_millis(NOW.as_millis() + life_ms);
    let after = UnixMillis::from_millis(end.as_millis() + 1);
    assert_eq!(world.verify(after, &proof(&second)), Err(CertificateError::CodeExpired));
    assert_eq!(world.told(), 0);
    assert_eq!(world.verify(end, &proof(&second)), Ok(()));
    assert_eq!(world.told(), 1);
    assert_eq!(world.verify(end, &proof(&second)), Err(CertificateError::NoCode));
}

#[test]
fn another_upload_under_the_name_has_to_be_proved_anew() {
    let mut world = World::new();
    let (ca, other) = (Made::authority("factory"), Made::authority("factory"));
    world.put("ca", &ca, Existing::Refuse).expect("it is new");
    let code = world.code();
    world.verify(NOW, &Made::leaf(&code, Some(&ca))).expect("it is the proof");
    assert_eq!(world.told(), 1);
    assert_eq!(world.put("CA", &other, Existing::Refuse), Err(CertificateError::ETag));
    assert_eq!(world.put("CA", &other, ANY), Ok(false));
    assert_eq!(world.told(), 0);
    assert_eq!(world.verify(NOW, &Made::leaf(&code, Some(&other))), Err(CertificateError::NoCode));
}

#[test]
fn a_hub_has_25_certificates_at_most_and_each_once() {
    let mut world = World::new();
    let mut all = Vec::new();
    for number in 0..AUTHORITIES_MAX {
        let made = Made::authority("factory");
        assert_eq!(world.put(&format!("ca-{number}"), &made, Existing::Refuse), Ok(true));
        all.push(made);
    }
    let more = Made::authority("factory");
    assert_eq!(world.put("more", &more, Existing::Refuse), Err(CertificateError::TooMany));
    assert_eq!(world.put("ca-7", &more, ANY), Ok(false), "in the place of another");
    assert_eq!(world.put("ca-8", &more, ANY), Err(CertificateError::Exists));
    let delete = CertificateChange::Delete("ca-0".to_owned(), ANY);
    let gone = |was_there| Ok(Outcome::CertificateDeleted { was_there });
    assert_eq!(world.apply(NOW, delete.clone()), gone(true));
    assert_eq!(world.apply(NOW, delete), gone(false));
    assert_eq!(world.put("more", &all[0], Existing::Refuse), Ok(true));
}
