use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use super::CertificateRefused as No;
use super::*;

type Issued = (Vec<u8>, rcgen::Issuer<'static, KeyPair>);

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
    (der, rcgen::Issuer::new(parameters, key))
}

fn chain(certificates: &[&Issued]) -> CertificateChain {
    let ders = certificates.iter().map(|(der, _)| der.as_slice());
    *CertificateChain::new(ders).expect("at least one")
}

fn check(
    chain: &CertificateChain,
    authority: &Authority,
    now: UnixMillis,
) -> Result<(), CertificateRefused> {
    chain.issuer([authority], now).map(drop)
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
        assert_eq!(check(&chain(&certificates), &authority, at(days)), expected, "{says}");
    }
}

#[test]
fn a_root_allows_no_more_below_it_than_it_says() {
    let root = issue(authority_parameters("root", BasicConstraints::Constrained(0)), None);
    let middle =
        issue(authority_parameters("middle", BasicConstraints::Unconstrained), Some(&root));
    let leaf = issue(parameters("pump-1"), Some(&middle));
    let authority = Authority::parse(&root.0).expect("an authority");
    assert_eq!(check(&chain(&[&leaf, &middle]), &authority, at(0)), Err(No::Issuer));
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
        assert!(check(&chain, &authority, at(0)).is_err() && !chain.is_for("pump-1"));
        assert_eq!(Authority::parse(cut).map(drop), Err(No::Unreadable));
    }
    for place in 0..leaf.0.len() {
        let mut damaged = leaf.0.clone();
        damaged[place] ^= 0x55;
        let chain = CertificateChain::new([&damaged[..]].into_iter()).expect("one");
        assert!(check(&chain, &authority, at(0)).is_err());
        let _ = (chain.valid_until(at(0)), chain.is_for("pump-1"), Authority::parse(&damaged));
        let _ = authority.check_proof(&damaged, "pump-1", at(0));
    }
    assert_eq!(CertificateChain::new(std::iter::empty()), None);
}

#[test]
fn of_several_authorities_the_one_that_has_issued_it_counts() {
    let root = |name: &str, days| {
        let mut parameters = authority_parameters(name, BasicConstraints::Constrained(0));
        parameters.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        issue(parameters, None)
    };
    let (one, two) = (root("one", 5), root("two", 3));
    let [first, second] = [&one, &two].map(|(der, _)| Authority::parse(der).expect("it is one"));
    let issuer = |leaf: &Issued, days| {
        let found = chain(&[leaf]).issuer([&first, &second], at(days));
        found.map(|issuer| (issuer.authority.subject.clone(), issuer.until))
    };
    let (by_one, by_two) = (issue(parameters("a"), Some(&one)), issue(parameters("a"), Some(&two)));
    assert_eq!(issuer(&by_one, 4).map(|(name, _)| name), Ok("CN=one".to_owned()));
    assert_eq!(issuer(&by_two, 0), Ok(("CN=two".to_owned(), second.not_after)), "it ends first");
    assert_eq!(issuer(&by_two, 4), Err(No::Expired));
    assert_eq!(chain(&[&by_one]).issuer([], at(0)).map(drop), Err(No::UnknownAuthority));
    let long = chain(&[&by_one; CERTIFICATE_CHAIN_MAX + 1]);
    assert_eq!(check(&long, &first, at(0)), Err(No::ChainLength));
}

#[test]
fn a_renewed_authority_counts_beside_its_former_certificate() {
    let key = KeyPair::generate().expect("keys can be made");
    let made = |days| {
        let mut parameters = authority_parameters("root", BasicConstraints::Unconstrained);
        parameters.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        let signed = parameters.self_signed(&key).expect("it signs itself");
        Authority::parse(signed.der()).expect("an authority")
    };
    let (former, renewed) = (made(1), made(5));
    let issuer = authority_parameters("root", BasicConstraints::Unconstrained);
    let by = (Vec::new(), rcgen::Issuer::new(issuer, key));
    let leaf = issue(parameters("a"), Some(&by));
    let chain = chain(&[&leaf]);
    for both in [[&former, &renewed], [&renewed, &former]] {
        let found = chain.issuer(both, at(2)).expect("one of them is valid");
        assert_eq!(found.authority.not_after, renewed.not_after);
    }
    assert_eq!(check(&chain, &former, at(2)), Err(No::Expired));
}

#[test]
fn a_proof_is_signed_by_the_authority_for_the_code() {
    let root = issue(authority_parameters("root", BasicConstraints::Unconstrained), None);
    let namesake = issue(authority_parameters("root", BasicConstraints::Unconstrained), None);
    let middle =
        issue(authority_parameters("middle", BasicConstraints::Unconstrained), Some(&root));
    let authority = Authority::parse(&root.0).expect("an authority");
    for (says, name, by, days, expected) in [
        ("it is", "C0DE", &root, 0, Ok(())),
        ("another code", "C0DF", &root, 0, Err(No::Code)),
        ("case", "c0de", &root, 0, Err(No::Code)),
        ("a namesake", "C0DE", &namesake, 0, Err(No::Signer)),
        ("one below", "C0DE", &middle, 0, Err(No::Signer)),
        ("too late", "C0DE", &root, 6, Err(No::Expired)),
    ] {
        let proof = issue(parameters(name), Some(by));
        assert_eq!(authority.check_proof(&proof.0, "C0DE", at(days)), expected, "{says}");
    }
    assert_eq!(authority.check_proof(b"nothing", "C0DE", at(0)), Err(No::Unreadable));
}

#[test]
fn certificates_come_as_pem_as_base64_or_as_both() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let key = KeyPair::generate().expect("keys can be made");
    let certificate = parameters("a").self_signed(&key).expect("it signs itself");
    let (pem, der) = (certificate.pem(), certificate.der().to_vec());
    let bare = base64(&der);
    let (begin, end) = bare.split_at(64);
    let folded = format!("{begin}\r\n{end}\n");
    let with_key = key.serialize_pem() + &pem;
    for text in [&pem, &bare, &folded, &base64(pem.as_bytes()), &with_key] {
        assert_eq!(certificate_of(text).as_ref(), Ok(&der), "{text}");
    }
    assert_eq!(certificate_of(&[&*pem, &pem].concat()), Err(No::NotOne));
    assert_eq!(certificate_of(&key.serialize_pem()), Err(No::NotOne));
    for text in ["no base64!", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
        assert_eq!(certificate_of(text), Err(No::Unreadable), "{text}");
    }
    let large = authority_parameters(&"x".repeat(20_000), BasicConstraints::Unconstrained);
    assert_eq!(Authority::parse(&issue(large, None).0).map(drop), Err(No::TooLarge));
}
