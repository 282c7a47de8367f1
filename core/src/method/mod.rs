//! Direct methods: what they may be called, and the calls that wait for a device or its answer.
//!
//! ```text
//!  back end ─▶ handle_call ─▶ waiting ──handle_located, handle_ready──▶ sent ─▶ handle_answer ─▶ back end
//!                                ▲                                       │
//!                                └─────────── handle_undelivered ────────┘
//! ```

mod amqp;
mod call;
mod name;
mod pending;

pub use amqp::{AmqpAnswer, AmqpCall, InvalidAnswer};
pub use call::{CallId, Failure, Invocation, MethodCall, Patience, Refusal, Target, Undelivered};
pub use name::{InvalidMethodName, check_method_name};
pub use pending::{Event, PendingCalls};
