//! LOG: the format of the commit log and its recovery, without IO.
