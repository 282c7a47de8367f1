use super::*;

const DEVICE_KEY: &str = "cmluZ2h1Yi1kZW1vLWtleS0wMTIzNDU2Nzg5YWJjZGVm";
const OTHER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const POLICY_KEY: &str = "cmluZ2h1Yi1leGFtcGxlLWtleS0wMDAwMDAwMDAwMDA=";

/// The worked examples of the references, as (key, token, host, policy, expiry in seconds).
#[rustfmt::skip]
const EXAMPLES: [(&str, &str, &str, Option<&str>, i64); 7] = [
    (DEVICE_KEY, "SharedAccessSignature sr=demo.azure-devices.net%2Fdevices%2Fcooler-7&sig=weok%2FaYiYaJh%2BBBryjJJX7RYxinpv7c1VyJ8%2FvLTflk%3D&se=1893456000", "demo.azure-devices.net", None, 1_893_456_000),
    (DEVICE_KEY, "SharedAccessSignature sr=demo.azure-devices.net%2fdevices%2fcooler-7&sig=f15RzBFNtYSLC390JAfvQpvq6ySpUNa%2Fg%2FYpTxyqSBw%3D&se=1893456000", "demo.azure-devices.net", None, 1_893_456_000),
    (DEVICE_KEY, "SharedAccessSignature sr=demo.azure-devices.net%2Fdevices%2Fcooler-7%2Fmodules%2Fpump&sig=0rkNovfBXc41Fvjx%2FLtcFPXs3A1Lws2%2FfZGPySxX4lQ%3D&se=1893456000", "demo.azure-devices.net", None, 1_893_456_000),
    (DEVICE_KEY, "SharedAccessSignature sr=demo.azure-devices.net%2Fdevices&sig=wCbQsosXU%2FQRopn7GHhj1ExiGReLz1gvhx1tU49tkJ0%3D&se=1893456000&skn=device", "demo.azure-devices.net", Some("device"), 1_893_456_000),
    (OTHER_KEY, "SharedAccessSignature sr=hub.example.net&sig=3FUf0sO+/MBv+t3cOggdIJIzcP5bedymTMVEJZ40VMA=&se=1900000000", "hub.example.net", None, 1_900_000_000),
    (POLICY_KEY, "SharedAccessSignature sr=ringhub.example&sig=EpJ1DaqwECV4bFlCVlMPsMKA0PUfzZlMXbu%2Fju%2BAeoA%3D&se=1900000000&skn=service", "ringhub.example", Some("service"), 1_900_000_000),
    (POLICY_KEY, "SharedAccessSignature sr=sb%3A%2F%2Fringhub.example%2Feh1&sig=YFRRC8JuVptecPAkdu0E0ppStiu0h4Hjnyw52aZO%2BjE%3D&se=1900000000&skn=service", "ringhub.example", Some("service"), 1_900_000_000),
];

const NO_SKEW: Duration = Duration::ZERO;

fn pair(primary: &str, secondary: &str) -> KeyPair {
    KeyPair::from_base64(primary, secondary).expect("the examples hold valid keys")
}

#[test]
fn the_examples_of_the_references_verify_with_either_key() {
    for (key, text, host, policy, expiry) in EXAMPLES {
        let token = SasToken::parse(text).expect(text);
        let before = UnixMillis::from_millis(expiry * 1000 - 1);
        for keys in [pair(key, &"A".repeat(44)), pair(&"A".repeat(44), key)] {
            let verdict = token.verify(&keys, KeyReading::DecodedOrText, before, NO_SKEW);
            assert_eq!(verdict, Ok(()), "{text}");
        }
        assert_eq!(token.policy(), policy, "{text}");
        assert_eq!(token.expiry().as_secs(), expiry, "{text}");
        assert_eq!(token.scope().expect(text).host(), host, "{text}");
    }
}

#[test]
fn a_token_over_the_key_text_needs_that_reading() {
    let token = SasToken::parse(EXAMPLES[6].1).expect("a worked example");
    let keys = pair(POLICY_KEY, OTHER_KEY);
    let now = UnixMillis::EPOCH;
    assert_eq!(
        token.verify(&keys, KeyReading::Decoded, now, NO_SKEW),
        Err(TokenRefused::Signature)
    );
    assert_eq!(token.verify(&keys, KeyReading::DecodedOrText, now, NO_SKEW), Ok(()));
}

#[test]
fn every_changed_character_of_the_signed_text_is_noticed() {
    let keys = pair(DEVICE_KEY, OTHER_KEY);
    for (from, to) in [("cooler-7", "cooler-8"), ("%2F", "%2f"), ("se=1893456000", "se=1893456001")]
    {
        let text = EXAMPLES[0].1.replacen(from, to, 1);
        let token = SasToken::parse(&text).expect("still well formed");
        let verdict = token.verify(&keys, KeyReading::Decoded, UnixMillis::EPOCH, NO_SKEW);
        assert_eq!(verdict, Err(TokenRefused::Signature), "{text}");
    }
}

#[test]
fn expires_at_the_second_and_after_the_skew() {
    let token = SasToken::parse(EXAMPLES[0].1).expect("a worked example");
    let keys = pair(DEVICE_KEY, OTHER_KEY);
    let expiry = 1_893_456_000_000;
    let skew = Duration::from_secs(300);
    for (now, skew, expected) in [
        (expiry - 1, NO_SKEW, Ok(())),
        (expiry, NO_SKEW, Err(TokenRefused::Expired)),
        (expiry + 299_999, skew, Ok(())),
        (expiry + 300_000, skew, Err(TokenRefused::Expired)),
        (expiry, Duration::MAX, Ok(())),
    ] {
        let now = UnixMillis::from_millis(now);
        assert_eq!(token.verify(&keys, KeyReading::Decoded, now, skew), expected, "{now}");
    }
}

#[test]
fn fields_stand_in_any_order_and_may_be_unknown_or_empty() {
    let sig = "3FUf0sO%2b/MBv+t3cOggdIJIzcP5bedymTMVEJZ40VMA%3d";
    let keys = pair(OTHER_KEY, OTHER_KEY);
    for fields in [
        format!("sr=hub.example.net&sig={sig}&se=1900000000"),
        format!("sig={sig}&se=1900000000&skn=&sr=hub.example.net"),
        format!("skn=&se=1900000000&sr=hub.example.net&sig={sig}&extra=1"),
    ] {
        let text = format!("SharedAccessSignature {fields}");
        let token = SasToken::parse(&text).expect(&text);
        assert_eq!(token.policy(), None, "{text}");
        let verdict = token.verify(&keys, KeyReading::Decoded, UnixMillis::EPOCH, NO_SKEW);
        assert_eq!(verdict, Ok(()), "{text}");
    }
}

#[test]
fn refuses_what_no_client_sends() {
    let sig = "3FUf0sO%2B%2FMBv%2Bt3cOggdIJIzcP5bedymTMVEJZ40VMA%3D";
    let sas = |fields: String| format!("SharedAccessSignature {fields}");
    for (text, expected) in [
        (String::new(), InvalidToken::Scheme),
        (format!("sr=h&sig={sig}&se=1"), InvalidToken::Scheme),
        (sas(format!("sr=h&sig={sig}&se=1&sr=h")), InvalidToken::Duplicate),
        (sas(format!("sr=h&sig={sig}&se=1&skn=&skn=a")), InvalidToken::Duplicate),
        (sas(format!("sr=h&sig={sig}")), InvalidToken::Missing),
        (sas(format!("sr=h&sig={sig}&se=1&")), InvalidToken::Field),
        (sas(format!("sr=h&sig={sig}&se=")), InvalidToken::Expiry),
        (sas(format!("sr=h&sig={sig}&se=+1")), InvalidToken::Expiry),
        (sas(format!("sr=h&sig={sig}&se=-1")), InvalidToken::Expiry),
        (sas(format!("sr=h&sig={sig}&se=1.5")), InvalidToken::Expiry),
        (sas(format!("sr=h&sig={sig}&se=9007199254740993")), InvalidToken::Expiry),
        (sas("sr=h&sig=AAAA&se=1".to_owned()), InvalidToken::Signature),
        (sas("sr=h&sig=!&se=1".to_owned()), InvalidToken::Signature),
        (sas(format!("sr=h&sig={sig}&se=1&skn=%FF")), InvalidToken::Policy),
        (sas(format!("sr={}&sig={sig}&se=1", "h".repeat(5000))), InvalidToken::TooLong),
    ] {
        assert_eq!(SasToken::parse(&text).map(drop), Err(expected), "{text}");
    }
}

#[test]
fn signs_what_it_verifies() {
    let keys = pair(POLICY_KEY, OTHER_KEY);
    let text = sign("ringhub.example", keys.primary(), 1_900_000_000, Some("service"));
    assert_eq!(text, EXAMPLES[5].1);
}
