use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use super::CertificateRefused as No;
use super::*;

type Issued = (Vec<u8>, Issuer<'static, KeyPair>);

fn at(days: i64) -> UnixMillis {
    UnixMillis::from_millis(OffsetDateTime::now_utc().unix_timestamp() * 1000 + days * 86_400_000)
}

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = OffsetDateTime::now_utc() - Duration::days(5);
    parameters.not_after = OffsetDateTime::now_utc() + Duration::days(5);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}

fn authority_parameters(name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut parameters = parameters(name);
    parameters.is_ca = IsCa::Ca(constraints);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    parameters.extended_key_usages = Vec::new();
    parameters
}

fn issue(parameters: CertificateParams, by: Option<&Issued>) -> Issued {
    let key = KeyPair::generate().expect("keys can be made");
    let signed = match by {
        None => parameters.self_signed(&key),
        Some((_, issuer)) => parameters.signed_by(&key, issuer),
    };
    let der = signed.expect("the issuer signs").der().to_vec();
    (der, Issuer::new(parameters, key))
}

fn chain(certificates: &[&Issued]) -> CertificateChain {
    let ders = certificates.iter().map(|(der, _)| der.as_slice());
    *CertificateChain::new(ders).expect("at least one")
}

#[test]
fn a_chain_counts_when_it_leads_to_the_authority() {
    let root = issue(authority_parameters("root", BasicConstraints::Constrained(1)), None);
    let middle =
        issue(authority_parameters("middle", BasicConstraints::Constrained(0)), Some(&root));
    let lower =
        issue(authority_parameters("lower", BasicConstraints::Unconstrained), Some(&middle));
    let stranger = issue(authority_parameters("root", BasicConstraints::Unconstrained), None);
    let leaf = |by| issue(parameters("pump-1"), Some(by));
    let authority = Authority::parse(&root.0).expect("an authority");
    assert_eq!(authority.subject, "CN=root");
    let direct = leaf(&root);
    let server = {
        let mut parameters = parameters("pump-1");
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        issue(parameters, Some(&root))
    };
    let under_leaf = leaf(&direct);
    let late = {
        let mut parameters = parameters("pump-1");
        parameters.not_after = OffsetDateTime::now_utc() + Duration::days(50);
        issue(parameters, Some(&root))
    };
    let (by_middle, by_lower, by_stranger) = (leaf(&middle), leaf(&lower), leaf(&stranger));
    for (says, certificates, days, expected) in [
        ("direct", vec![&direct], 0, Ok(())),
        ("direct with the root", vec![&direct, &root], 0, Ok(())),
        ("over one", vec![&by_middle, &middle], 0, Ok(())),
        ("the one in between is missing", vec![&by_middle], 0, Err(No::UnknownAuthority)),
        ("path length", vec![&by_lower, &lower, &middle], 0, Err(No::Issuer)),
        ("same name, other key", vec![&by_stranger], 0, Err(No::Chain)),
        ("same name, sent along", vec![&by_stranger, &stranger], 0, Err(No::Chain)),
        ("self-signed", vec![&issue(parameters("pump-1"), None)], 0, Err(No::UnknownAuthority)),
        ("the authority itself", vec![&root], 0, Err(No::Issuer)),
        ("a leaf as issuer", vec![&under_leaf, &direct], 0, Err(No::Issuer)),
        ("purpose", vec![&server], 0, Err(No::Purpose)),
        ("too late", vec![&direct], 6, Err(No::Expired)),
        ("too early", vec![&direct], -6, Err(No::NotYetValid)),
        ("the authority has ended", vec![&late], 6, Err(No::Expired)),
    ] {
        assert_eq!(chain(&certificates).check(&authority, at(days)), expected, "{says}");
    }
}

#[test]
fn a_root_allows_no_more_below_it_than_it_says() {
    let root = issue(authority_parameters("root", BasicConstraints::Constrained(0)), None);
    let middle =
        issue(authority_parameters("middle", BasicConstraints::Unconstrained), Some(&root));
    let leaf = issue(parameters("pump-1"), Some(&middle));
    let authority = Authority::parse(&root.0).expect("an authority");
    assert_eq!(chain(&[&leaf, &middle]).check(&authority, at(0)), Err(No::Issuer));
}

#[test]
fn names_times_and_thumbprints_are_those_of_the_leaf() {
    let leaf = issue(parameters("pump-1"), None);
    let other = issue(parameters("Pump-1"), None);
    let both = chain(&[&leaf, &other]);
    assert!(both.is_for("pump-1") && !both.is_for("Pump-1") && !both.is_for("pump"));
    let sha1 = hex_digest(&SHA1_FOR_LEGACY_USE_ONLY, &leaf.0);
    let sha256 = hex_digest(&SHA256, &leaf.0);
    assert_eq!((sha1.len(), sha256.len()), (40, 64));
    for good in [&sha1, &sha1.to_ascii_uppercase(), &sha256, &sha256.to_ascii_uppercase()] {
        assert!(both.has_thumbprint(good), "{good}");
    }
    for bad in ["", &sha1[..39], &sha256[..40], &hex_digest(&SHA256, &other.0)] {
        assert!(!both.has_thumbprint(bad), "{bad}");
    }
    assert_eq!(both.valid_until(at(6)), Err(No::Expired));
    assert_eq!(both.valid_until(at(-6)), Err(No::NotYetValid));
    let until = both.valid_until(at(0)).expect("valid now");
    assert!((until.as_secs() - at(5).as_secs()).abs() < 60);
    let mut twice = parameters("pump-1");
    twice.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "pump-2");
    let ambiguous = issue(twice, None);
    assert!(!chain(&[&ambiguous]).is_for("pump-1"), "two names are none");
}

#[test]
fn what_is_no_certificate_is_refused_and_never_a_panic() {
    let leaf = issue(parameters("pump-1"), None);
    assert_eq!(Authority::parse(&leaf.0).map(drop), Err(No::Issuer));
    let root = issue(authority_parameters("r", BasicConstraints::Unconstrained), None);
    let authority = Authority::parse(&root.0).expect("an authority");
    for length in 0..leaf.0.len() {
        let cut = &leaf.0[..length];
        let chain = CertificateChain::new([cut].into_iter()).expect("one");
        assert_eq!(chain.valid_until(at(0)), Err(No::Unreadable), "{length}");
        assert!(chain.check(&authority, at(0)).is_err() && !chain.is_for("pump-1"));
        assert_eq!(Authority::parse(cut).map(drop), Err(No::Unreadable));
    }
    for place in 0..leaf.0.len() {
        let mut damaged = leaf.0.clone();
        damaged[place] ^= 0x55;
        let chain = CertificateChain::new([&damaged[..]].into_iter()).expect("one");
        assert!(chain.check(&authority, at(0)).is_err());
        let _ = (chain.valid_until(at(0)), chain.is_for("pump-1"), Authority::parse(&damaged));
    }
    assert_eq!(CertificateChain::new(std::iter::empty()), None);
}
