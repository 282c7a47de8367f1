//! MQTT 3.1.1 session, hub side and client side.

pub mod property_bag;
pub mod subscription;
pub mod topic;
pub mod user_name;
