//! AMQP 1.0 connection, sessions and links, for both roles.
