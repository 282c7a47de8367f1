//! What `ringhub tune` prints for people.

use std::io::{self, Write};

use crate::tuning::{Area, Finding, Report};

/// Prints findings by area, then the proposal as lines for the configuration file.
pub(super) fn print(report: &Report) -> io::Result<()> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let findings = &report.findings;
    let subject_width = findings.iter().map(|finding| finding.subject.chars().count()).max();
    for area in Area::ALL {
        writeln!(output, "{area}")?;
        for finding in findings.iter().filter(|finding| finding.area == area) {
            write_finding(&mut output, finding, subject_width.unwrap_or_default())?;
        }
        writeln!(output)?;
    }
    writeln!(output, "For ringhub.toml:\n\n{}", report.proposal.toml().trim())?;
    output.flush()
}

fn write_finding(
    output: &mut impl Write,
    finding: &Finding,
    subject_width: usize,
) -> io::Result<()> {
    let Finding { mark, subject, value, why, mend, undo, .. } = finding;
    writeln!(output, "  {mark:7}  {subject:subject_width$}  {value}")?;
    writeln!(output, "           why:  {why}")?;
    for (name, line) in [("mend", mend), ("undo", undo)] {
        if let Some(line) = line {
            writeln!(output, "           {name}: {line}")?;
        }
    }
    Ok(())
}
