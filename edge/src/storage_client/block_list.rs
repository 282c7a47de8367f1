//! The list of the blocks that a blob is made of.

/// Writes it as the service takes it; ids are base64, which XML takes as it is.
///
/// Source: Azure Storage documentation, "Put Block List".
pub(super) fn block_list(ids: &[String]) -> String {
    let mut xml = String::from(r#"<?xml version="1.0" encoding="utf-8"?><BlockList>"#);
    for id in ids {
        xml += "<Uncommitted>";
        xml += id;
        xml += "</Uncommitted>";
    }
    xml + "</BlockList>"
}
