//! Verdicts on credentials: SAS tokens, policies and scopes.
