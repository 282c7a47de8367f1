//! Network interfaces and their queues.

use std::fs;

use super::cpu_list::CpuMask;
use super::root::Root;

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name, such as `eth0`.
    pub name: String,
    /// Whether it has a link.
    pub is_up: bool,
    /// The driver of the device; `None` for interfaces without one, such as bridges and the inner
    /// end of a container's.
    pub driver: Option<String>,
    /// Speed in Mbit/s, where the device knows.
    pub speed_mbits: Option<u64>,
    /// Receive queues, each with an interrupt of its own.
    pub rx_queues: usize,
    /// Transmit queues.
    pub tx_queues: usize,
    /// Receive queues whose packets other CPUs help with (receive packet steering).
    pub rps_queues: usize,
    /// Transmit queues that belong to certain CPUs (transmit packet steering).
    pub xps_queues: usize,
}

const FOLDER: &str = "/sys/class/net";

impl Interface {
    pub(super) fn read_all(root: &Root) -> Vec<Self> {
        let names = root.names(FOLDER).into_iter().filter(|name| name != "lo");
        names.map(|name| Self::read(root, name)).collect()
    }

    fn read(root: &Root, name: String) -> Self {
        let folder = format!("{FOLDER}/{name}");
        let queues = root.names(&format!("{folder}/queues"));
        let of = |kind: &str| queues.iter().filter(|queue| queue.starts_with(kind)).count();
        let steered = |kind: &str, file: &str| {
            let mask = |queue: &&String| root.text(&format!("{folder}/queues/{queue}/{file}"));
            let of_kind = queues.iter().filter(|queue| queue.starts_with(kind));
            of_kind
                .filter_map(|queue| CpuMask::parse(&mask(&queue)?))
                .filter(|m| !m.is_empty())
                .count()
        };
        let driver = fs::read_link(root.path(&format!("{folder}/device/driver"))).ok();
        Self {
            is_up: root.text(&format!("{folder}/operstate")).as_deref() == Some("up"),
            driver: driver.and_then(|link| Some(link.file_name()?.to_str()?.to_owned())),
            // Devices that do not know their speed say -1.
            speed_mbits: root.number(&format!("{folder}/speed")),
            rx_queues: of("rx-"),
            tx_queues: of("tx-"),
            rps_queues: steered("rx-", "rps_cpus"),
            xps_queues: steered("tx-", "xps_cpus"),
            name,
        }
    }
}
