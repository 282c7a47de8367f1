//! MQTT 3.1.1 session, hub side and client side.
