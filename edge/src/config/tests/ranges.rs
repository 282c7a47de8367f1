//! Every key, as `keys.rs` has it: documented, bounded, and checked from every source.

use humantime_serde::re::humantime::format_duration;

use super::*;

/// Every key with its section.
fn keys() -> impl Iterator<Item = (&'static Section, &'static Key)> {
    SECTIONS.iter().flat_map(|section| section.keys.iter().map(|key| (*section, key)))
}

/// Values at the border of what is allowed, inside.
fn inside(allowed: &Allowed) -> Vec<Value> {
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::from(*text)).collect();
    match allowed {
        Allowed::Number { min, max, .. } => vec![Value::from(*min), Value::from(*max)],
        Allowed::Duration { min, max } => {
            [min, max].map(|time| Value::from(format_duration(*time).to_string())).to_vec()
        }
        Allowed::Size { min, max } => [min, max].map(|size| Value::from(size.to_string())).to_vec(),
        Allowed::Switch => vec![Value::from(true), Value::from(false)],
        Allowed::Word(words) => texts(words),
        Allowed::Auto(other) => [inside(other), texts(&["auto"])].concat(),
        Allowed::Address => texts(&["0.0.0.0", "::1"]),
        Allowed::HostName => {
            texts(&["a", &format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61))])
        }
        Allowed::ConsumerGroups(max) => [0, *max].map(groups).to_vec(),
        Allowed::LogLevel => texts(&["off", "TRACE", "warn,ringhub_edge::shard=debug"]),
        Allowed::File => texts(&["/c.pem"]),
        Allowed::Container => texts(&["abc", &"a".repeat(63)]),
        Allowed::Quota => texts(&["none", "sku", "F1", "S1 x 200", "b3x10"]),
    }
}

/// Values just beyond what is allowed, and of other kinds.
fn outside(allowed: &Allowed) -> Vec<Value> {
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::from(*text)).collect();
    let beyond = match allowed {
        Allowed::Number { min, max, .. } => vec![Value::from(min - 1), Value::from(max + 1)],
        Allowed::Duration { min, max } => {
            let step = Duration::from_nanos(1);
            let below = min.checked_sub(step).map(|below| format_duration(below).to_string());
            let above = format_duration(*max + step).to_string();
            vec![Value::from(below.unwrap_or_else(|| "-1s".to_owned())), Value::from(above)]
        }
        Allowed::Size { min, max } => {
            let [below, above] = [min.as_bytes() - 1, max.as_bytes() + 1].map(ByteSize::bytes);
            vec![Value::from(below.to_string()), Value::from(above.to_string())]
        }
        Allowed::Auto(other) => return outside(other),
        Allowed::HostName => texts(&["a_b", "-a", "", &"a.".repeat(127), &"a".repeat(64)]),
        Allowed::ConsumerGroups(max) => {
            let named = |names: &[&str]| Value::Array(texts(names));
            vec![groups(max + 1), named(&["$Default"]), named(&["a", "A"])]
        }
        Allowed::LogLevel => texts(&["inof", "ringhub_edge=loud", ""]),
        Allowed::File => return texts(&[""]),
        Allowed::Container => texts(&["ab", "Abc", "a--b", &"a".repeat(64)]),
        Allowed::Quota => texts(&["S4", "S1 x 0", "S1 x 201", "SKU"]),
        Allowed::Switch | Allowed::Word(_) | Allowed::Address => Vec::new(),
    };
    [beyond, texts(&["no such thing"])].concat()
}

fn groups(count: usize) -> Value {
    Value::Array((0..count).map(|number| Value::from(format!("g{number}"))).collect())
}

/// As a variable has it: without quotes and brackets.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(bare).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Goal: no key takes what it must not, wherever that is said, and the refusal helps. Method: for
/// every key, values beyond both ends of its range and of another kind, through file and variable.
#[test]
fn values_beyond_the_range_are_refused_from_every_source() {
    for (section, key) in keys() {
        let (open, close) = if section.name.contains('.') { ("[[", "]]") } else { ("[", "]") };
        let outside = outside(&key.allowed);
        assert!(!outside.is_empty(), "{}", key.name);
        for value in outside {
            let file = format!("{open}{}{close}\n{} = {value}\n", section.name, key.name);
            let variable = section.variable(key);
            let by_file = parse(&file).unwrap_err();
            let by_variable = read("", &[(&variable, &bare(&value))]).unwrap_err();
            assert!(by_file.contains("ringhub.toml:2: "), "{by_file}");
            assert!(by_variable.starts_with(&format!("{variable}: ")), "{by_variable}");
            for refusal in [by_file, by_variable] {
                let name = format!("`{}.{}` is ", section.name, key.name);
                let must = format!("must be {}", key.allowed.description());
                let shown = bare(&value);
                let shown = shown.split(',').next().unwrap_or_default();
                for part in [&name, &must, shown] {
                    assert!(refusal.contains(part), "{part} is missing in: {refusal}");
                }
            }
        }
    }
}

#[test]
fn values_at_the_border_are_allowed_and_read_the_same_from_a_variable() {
    for (section, key) in keys() {
        for value in inside(&key.allowed) {
            assert!(key.allowed.permits(&value), "{}.{} = {value}", section.name, key.name);
            assert_eq!(key.allowed.read(&bare(&value)), value, "{}.{}", section.name, key.name);
        }
    }
}

/// Goal: nobody can add a key and say nothing about it. Method: the fields of the sections are the
/// keys of the table, and each key there says everything.
#[test]
fn every_key_is_documented_and_every_field_is_a_key() {
    let sources = [
        include_str!("../sections.rs"),
        include_str!("../cloud_to_device.rs"),
        include_str!("../file_upload.rs"),
        include_str!("../quota.rs"),
        include_str!("../storage.rs"),
    ];
    let fields = sources.iter().flat_map(|source| source.lines()).filter_map(|line| {
        let (name, _) = line.strip_prefix("    pub ")?.split_once(": ")?;
        (!name.starts_with("fn ") && name != "certificate").then_some(name)
    });
    let names: BTreeSet<&str> = keys().map(|(_, key)| key.name).collect();
    assert_eq!(fields.clone().collect::<BTreeSet<_>>(), names);
    assert_eq!(fields.count(), keys().count(), "a name stands as often as its sections have it");
    let mut variables = BTreeSet::new();
    for (section, key) in keys() {
        let name = format!("{}.{}", section.name, key.name);
        assert!(key.meaning.ends_with('.') && key.meaning.len() > 4, "{name} has no meaning");
        assert!(key.cost.len() > 4 && !key.cost.ends_with('.'), "{name} has no cost");
        assert!(key.allowed.permits(&key.default_value()), "{name}: its default is refused");
        assert!(key.default.parse::<Value>().is_ok(), "{name}: its default is no TOML");
        assert!(variables.insert(section.variable(key)), "{name} shares its variable");
    }
}

#[test]
fn the_shown_defaults_are_the_defaults_and_name_every_key() {
    let text = defaults();
    assert_eq!(parse(&text), Ok(default()));
    for (section, key) in keys() {
        assert!(text.contains(&format!("{}]", section.name)), "{}", section.name);
        assert!(text.contains(&format!("{} = {}\n", key.name, key.default)), "{}", key.name);
    }
    let wide = text.lines().find(|line| line.chars().count() > 100);
    assert_eq!(wide, None);
    // As it stands, each line of the certificate only lacks its mark.
    let (_, certificate) = text.split_once("# [[tls.certificate]]").unwrap();
    let said = certificate.lines().filter(|line| line.contains(" = "));
    let said: String = said.map(|line| line.trim_start_matches("# ").to_owned() + "\n").collect();
    let file = format!("[hub]\nhost_name = \"hub.example\"\n[[tls.certificate]]\n{said}");
    assert_eq!(parse(&file).unwrap().tls.certificate.len(), 1);
}
