//! What the black-box tests share: a hub process of their own, SDK scripts, and small clients in
//! plain Rust.
//!
//! SDKs dial fixed ports (8883, 5671, 443), so every hub gets a loopback address of its own instead
//! of ports of its own: see [`address`].
#![allow(dead_code, reason = "every test binary uses its own part of the harness")]

pub(crate) mod address;
pub(crate) mod amqp;
pub(crate) mod amqp_device;
pub(crate) mod amqp_raw;
pub(crate) mod authority;
pub(crate) mod azurite_account;
pub(crate) mod bulk;
pub(crate) mod bystander;
pub(crate) mod c2d;
pub(crate) mod command;
pub(crate) mod event;
pub(crate) mod executors;
pub(crate) mod factory;
pub(crate) mod gateway;
pub(crate) mod history;
pub(crate) mod hostile_account;
pub(crate) mod http;
pub(crate) mod http_device;
pub(crate) mod hub;
pub(crate) mod kill;
pub(crate) mod ledger;
pub(crate) mod methods;
pub(crate) mod mounted;
pub(crate) mod mqtt;
pub(crate) mod node;
pub(crate) mod patience;
pub(crate) mod prometheus;
pub(crate) mod proton;
pub(crate) mod provider;
pub(crate) mod provision;
pub(crate) mod python;
#[path = "../../../core/tests/random/mod.rs"]
pub(crate) mod random;
pub(crate) mod registry_job;
pub(crate) mod rest;
pub(crate) mod sas;
pub(crate) mod script;
pub(crate) mod seed;
pub(crate) mod stop;
pub(crate) mod storage_account;
pub(crate) mod tenants;
pub(crate) mod tls;
pub(crate) mod told;
pub(crate) mod twin_client;
pub(crate) mod upload;
