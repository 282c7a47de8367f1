//! Sets of CPUs as the kernel writes them: as lists, `0-3,8`, and as masks, `ff,00000000`.

use std::fmt;

use crate::topology::CpuId;

/// More CPUs than any kernel is built for; a list that names more is no list.
const CPUS_MAX: usize = 8192;

/// The CPUs of a list such as `0-3,8`; `None` when the text is none. An empty text is an empty
/// list.
#[must_use]
pub fn parse_cpu_list(text: &str) -> Option<Vec<CpuId>> {
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= CPUS_MAX {
            return None;
        }
        cpus.extend((first..=last).map(CpuId));
    }
    Some(cpus)
}

/// Writes sorted CPUs as a list, such as `0-3,8`.
#[must_use]
pub fn format_cpu_list(cpus: &[CpuId]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for CpuId(cpu) in cpus {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => ranges.push((*cpu, *cpu)),
        }
    }
    let range = |(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

/// A mask of CPUs in hexadecimal words of 32 bits, the highest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuMask(Vec<u32>);

impl CpuMask {
    /// The mask of `cpus`.
    #[must_use]
    pub fn of(cpus: impl IntoIterator<Item = CpuId>) -> Self {
        let mut words = vec![0_u32];
        for CpuId(cpu) in cpus {
            let word = cpu / 32;
            words.resize(words.len().max(word + 1), 0);
            words[word] |= 1 << (cpu % 32);
        }
        words.reverse();
        Self(words)
    }

    /// Reads `ff,00000000`; `None` when the text is no mask.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let words: Result<_, _> =
            text.trim().split(',').map(|word| u32::from_str_radix(word, 16)).collect();
        words.ok().map(Self)
    }

    /// Whether no CPU is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

impl fmt::Display for CpuMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        write!(f, "{first:x}")?;
        rest.iter().try_for_each(|word| write!(f, ",{word:08x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_ranges_and_numbers() {
        let cpus = parse_cpu_list("0-2,8").unwrap();
        assert_eq!(cpus, [0, 1, 2, 8].map(CpuId));
        assert_eq!(format_cpu_list(&cpus), "0-2,8");
        assert_eq!(parse_cpu_list(""), Some(Vec::new()));
        for text in ["x", "3-1", "0-", "0-99999999999"] {
            assert_eq!(parse_cpu_list(text), None, "{text}");
        }
    }

    #[test]
    fn masks_are_words_with_the_highest_first() {
        assert_eq!(CpuMask::of([0, 1].map(CpuId)).to_string(), "3");
        assert_eq!(CpuMask::of([0, 36].map(CpuId)).to_string(), "10,00000001");
        assert!(CpuMask::parse("00000000,00000000").unwrap().is_empty());
        assert_eq!(CpuMask::parse("10,00000001"), Some(CpuMask::of([0, 36].map(CpuId))));
        assert_eq!(CpuMask::parse("no"), None);
    }
}
