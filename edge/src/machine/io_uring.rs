//! Whether io_uring can be used, and does what the hub asks of it.

use std::io;

use io_uring::{Probe, opcode};

/// Whether the kernel offers what shards and executors run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IoUring {
    /// It does.
    Ready,
    /// It lets this process have no ring: the reason.
    Refused(String),
    /// It is too old for these operations.
    Lacks(Vec<&'static str>),
}

/// Operations that a hub uses: monoio those of sockets and deadlines, glommio, which ends the
/// process without them, those of files.
const OPERATIONS: [(&str, u8); 22] = [
    ("ACCEPT", opcode::Accept::CODE),
    ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
    ("CLOSE", opcode::Close::CODE),
    ("FALLOCATE", opcode::Fallocate::CODE),
    ("FSYNC", opcode::Fsync::CODE),
    ("LINK_TIMEOUT", opcode::LinkTimeout::CODE),
    ("NOP", opcode::Nop::CODE),
    ("OPENAT", opcode::OpenAt::CODE),
    ("POLL_ADD", opcode::PollAdd::CODE),
    ("POLL_REMOVE", opcode::PollRemove::CODE),
    ("READ", opcode::Read::CODE),
    ("READV", opcode::Readv::CODE),
    ("READ_FIXED", opcode::ReadFixed::CODE),
    ("RECV", opcode::Recv::CODE),
    ("RECVMSG", opcode::RecvMsg::CODE),
    ("SEND", opcode::Send::CODE),
    ("SENDMSG", opcode::SendMsg::CODE),
    ("STATX", opcode::Statx::CODE),
    ("TIMEOUT", opcode::Timeout::CODE),
    ("WRITE", opcode::Write::CODE),
    ("WRITEV", opcode::Writev::CODE),
    ("WRITE_FIXED", opcode::WriteFixed::CODE),
];

/// Makes a ring with the flags of the hub's, which are none, and asks it for its operations.
#[must_use]
pub fn probe_io_uring() -> IoUring {
    let mut probe = Probe::new();
    let asked: io::Result<()> =
        io_uring::IoUring::new(8).and_then(|ring| ring.submitter().register_probe(&mut probe));
    if let Err(error) = asked {
        return IoUring::Refused(error.to_string());
    }
    let lacking = OPERATIONS.iter().filter(|(_, code)| !probe.is_supported(*code));
    let lacking: Vec<&str> = lacking.map(|(name, _)| *name).collect();
    if lacking.is_empty() { IoUring::Ready } else { IoUring::Lacks(lacking) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tests_run_a_hub_can_run() {
        assert_eq!(probe_io_uring(), IoUring::Ready);
    }
}
