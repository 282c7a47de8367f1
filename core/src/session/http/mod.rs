//! HTTP/1.1 exchanges of one connection.
