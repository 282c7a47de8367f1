//! The configuration as text: all that may be said, and what is said.

use std::fmt::Write;

use super::keys::CERTIFICATE;
use super::setting::Setting;
use super::{Key, Origin, SECTIONS, Section, Settings};

const COLUMNS: usize = 100;

const HEAD: &str = "\
# Configuration of ringhub: every key with its default, what it may be, and what it costs.
# Leave out what you do not change.
#
# Durations: \"500us\", \"10s\", \"2min\", \"1day\". Sizes: \"512B\", \"64KiB\", \"256MiB\", \"1GiB\".
# Names of files that are relative are taken from the folder of this file.
#
# Each key has a variable that stands over the file, as RINGHUB_LISTEN__MQTT_PORT=18883 does over
# mqtt_port below [listen]: two underscores between section and key, no quotes, commas between the
# names of a list. The three of [[tls.certificate]] make one certificate in the place of those here.
# Arguments of `ringhub serve` stand over both.
";

/// A file with every key, its default, and all that there is to know about it.
#[must_use]
pub fn defaults() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        let is_certificate = section.name == CERTIFICATE.name;
        text.push('\n');
        comment(&mut text, section.meaning);
        header(&mut text, section, if is_certificate { "# " } else { "" });
        for (number, key) in section.keys.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            describe(&mut text, key);
            let mark = if is_certificate { "# " } else { "" };
            line(&mut text, &format!("{mark}{} = {}", key.name, key.default));
        }
    }
    text
}

/// A file with what holds, and behind each value that is not the default where it was said.
#[must_use]
pub fn effective(settings: &Settings) -> String {
    let mut text = String::new();
    for section in SECTIONS.iter().filter(|section| section.name != CERTIFICATE.name) {
        if !text.is_empty() {
            text.push('\n');
        }
        header(&mut text, section, "");
        let of_section = |setting: &&Setting| setting.section.name == section.name;
        settings.all.iter().filter(of_section).for_each(|setting| value(&mut text, setting));
    }
    for certificate in &settings.certificates {
        text.push('\n');
        header(&mut text, &CERTIFICATE, "");
        certificate.settings.iter().for_each(|setting| value(&mut text, setting));
    }
    text
}

fn header(text: &mut String, section: &Section, mark: &str) {
    let (open, close) = if section.name == CERTIFICATE.name { ("[[", "]]") } else { ("[", "]") };
    line(text, &format!("{mark}{open}{}{close}", section.name));
}

fn describe(text: &mut String, key: &Key) {
    comment(text, key.meaning);
    comment(text, &format!("Allowed: {}. Cost: {}.", key.allowed.description(), key.cost));
}

fn value(text: &mut String, setting: &Setting) {
    let Setting { key, value, origin, .. } = setting;
    match origin {
        Origin::Default => line(text, &format!("{} = {value}", key.name)),
        said => line(text, &format!("{} = {value}  # {said}", key.name)),
    }
}

/// Comment lines, broken between words.
fn comment(text: &mut String, words: &str) {
    let mut width = 0;
    for word in words.split(' ') {
        let columns = 1 + word.chars().count();
        if width == 0 || width + columns > COLUMNS {
            text.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        // Writing to a string does not fail.
        let _ = write!(text, " {word}");
        width += columns;
    }
    text.push('\n');
}

fn line(text: &mut String, content: &str) {
    text.push_str(content);
    text.push('\n');
}
