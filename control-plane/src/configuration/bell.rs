//! Wakes the evaluator.

/// Rung when something is due; one ring that waits is as good as many.
#[derive(Debug)]
pub(crate) struct EvaluationBell {
    ringer: flume::Sender<()>,
    rung: flume::Receiver<()>,
}

impl Default for EvaluationBell {
    fn default() -> Self {
        let (ringer, rung) = flume::bounded(1);
        Self { ringer, rung }
    }
}

impl EvaluationBell {
    /// Never blocks.
    pub(crate) fn ring(&self) {
        // A full channel says the same.
        let _ = self.ringer.try_send(());
    }

    /// Waits for a ring.
    pub(super) fn wait(&self) {
        // The other end lives as long as this one.
        let _ = self.rung.recv();
    }
}
