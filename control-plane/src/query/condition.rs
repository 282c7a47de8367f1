//! A condition that stands alone: which identities a configuration is for.

use ringhub_core::id::HubId;

use super::document::Document;
use super::error::QueryError;
use super::parser::parse_condition;
use super::path::{Member, Path};
use super::plan::columns_of;
use super::syntax::{Collection, Expression};
use crate::directory::Directory;
use crate::store::{StoreError, StoredTwin, TwinColumns};

/// A condition that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    from: Collection,
    /// `None` takes all.
    expression: Option<Expression>,
}

/// What a condition looks at besides names, tags and what the registry says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sees {
    pub(crate) desired: bool,
    pub(crate) reported: bool,
    /// What changes without being written: who is connected, how many messages wait; or what
    /// configurations themselves write.
    pub(crate) fleeting: bool,
}

impl Condition {
    /// Reads what stands behind WHERE of a query over devices, or a whole `FROM … WHERE …`.
    ///
    /// # Errors
    /// [`QueryError`] with the place.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        let (from, expression) = parse_condition(text)?;
        Ok(Self { from, expression })
    }

    pub(crate) fn is_of_modules(&self) -> bool {
        self.from == Collection::Modules
    }

    /// Whether it takes the twin, of which [its columns](Self::columns) must have been read.
    pub(crate) fn takes(
        &self,
        hub: HubId,
        directory: &Directory,
        stored: &StoredTwin<'_>,
    ) -> Result<bool, StoreError> {
        let Some(expression) = &self.expression else { return Ok(true) };
        expression.takes(&Document::new(hub, directory, stored))
    }

    /// What has to be read of a twin.
    pub(crate) fn columns(&self) -> TwinColumns {
        let mut columns = TwinColumns::KEY;
        self.visit(&mut |path| columns = columns.and(columns_of(path)));
        columns
    }

    pub(crate) fn sees(&self) -> Sees {
        let mut sees = Sees::default();
        self.visit(&mut |path| match path.member {
            Member::Desired => sees.desired = true,
            Member::Reported => sees.reported = true,
            Member::Properties => (sees.desired, sees.reported) = (true, true),
            Member::Version => sees.reported = true,
            Member::ConnectionState
            | Member::LastActivityTime
            | Member::CloudToDeviceMessageCount
            | Member::Configurations => sees.fleeting = true,
            _ => {}
        });
        sees
    }

    fn visit(&self, visit: &mut impl FnMut(&Path)) {
        if let Some(expression) = &self.expression {
            expression.visit_paths(visit);
        }
    }
}
