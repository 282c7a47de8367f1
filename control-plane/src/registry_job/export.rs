//! Identities of the hub into a blob.

use super::RegistryJobChange;
use super::export_page::{ExportPage, Exported};
use super::output::BlobWriter;
use super::run::{Halt, Run};
use crate::api::configuration_json;
use crate::store::ConfigurationStore as _;

impl Run {
    /// Writes all devices level by level, those without a parent first: whoever reads the blob from
    /// its beginning finds parents before those below them.
    pub(super) fn export(&self) -> Result<(), Halt> {
        self.export_configurations()?;
        let mut writer = BlobWriter::new(self, self.job.request.output());
        let count = self.directory.counts(self.job.hub).devices.max(1);
        let (mut done, mut told, mut deepest, mut level) = (0, 0, 0, 0);
        while level <= deepest {
            let mut after = String::new();
            loop {
                let page = self.page(level, &after)?;
                writer.write(page.lines.as_bytes())?;
                done += page.devices;
                deepest = deepest.max(page.deepest);
                let percent = u8::try_from(done * 99 / count).unwrap_or(99).min(99);
                if percent > told {
                    told = percent;
                    let number = self.number();
                    self.write(|| RegistryJobChange::Advance(number, percent))?;
                }
                match page.last {
                    Some(last) => after = last,
                    None => break,
                }
            }
            level += 1;
        }
        writer.finish()
    }

    fn page(&self, level: usize, after: &str) -> Result<ExportPage, Halt> {
        let exclude_keys = self.job.request.exclude_keys;
        self.read(|store| {
            let directory = &self.directory;
            let hub = self.job.hub;
            Exported { store, directory, hub, exclude_keys, level }.read(after)
        })
    }

    fn export_configurations(&self) -> Result<(), Halt> {
        let Some(blob) = self.job.request.configurations() else { return Ok(()) };
        let mut writer = BlobWriter::new(self, blob);
        for configuration in self.read(|store| store.configurations(self.job.hub))? {
            let line = configuration_json(configuration).to_string() + "\n";
            writer.write(line.as_bytes())?;
        }
        writer.finish()
    }
}
