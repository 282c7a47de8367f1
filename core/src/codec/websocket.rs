//! WebSocket frames (RFC 6455): masking and reassembly.
