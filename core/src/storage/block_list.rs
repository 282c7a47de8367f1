//! The list that makes a blob of blocks.
//!
//! ```text
//! <?xml version="1.0" encoding="utf-8"?>
//! <BlockList><Latest>AAAA</Latest><Committed>AAAB</Committed></BlockList>
//! ```
//!
//! Source: Azure Storage REST API, "Put Block List".

use crate::limits::{BLOCK_ID_CHARS_MAX, BLOCKS_MAX};

/// Where a block is to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockChoice {
    /// Among those of the blob as it is.
    Committed,
    /// Among those that wait.
    Uncommitted,
    /// Among those that wait, then among those of the blob.
    Latest,
}

/// Why a text is not a list of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlockList {
    /// Not the XML of a list.
    #[error("the body is not a list of blocks")]
    Malformed,
    /// More blocks than a blob may have.
    #[error("a blob has at most {BLOCKS_MAX} blocks")]
    TooLong,
}

/// Reads a list. Ids are base64, so that no text of it has anything to decode.
///
/// # Errors
/// [`InvalidBlockList`].
pub fn parse_block_list(text: &str) -> Result<Vec<(BlockChoice, &str)>, InvalidBlockList> {
    use InvalidBlockList::{Malformed, TooLong};
    let text = text.trim_start_matches('\u{feff}').trim();
    let text = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>").ok_or(Malformed)?.1.trim(),
        None => text,
    };
    if text == "<BlockList/>" || text == "<BlockList />" {
        return Ok(Vec::new());
    }
    let list = text.strip_prefix("<BlockList>").and_then(|rest| rest.strip_suffix("</BlockList>"));
    let mut rest = list.ok_or(Malformed)?.trim_start();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        if blocks.len() >= BLOCKS_MAX {
            return Err(TooLong);
        }
        let (name, after) =
            rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or(Malformed)?;
        let choice = match name {
            "Committed" => BlockChoice::Committed,
            "Uncommitted" => BlockChoice::Uncommitted,
            "Latest" => BlockChoice::Latest,
            _ => return Err(Malformed),
        };
        let (id, after) = after.split_once("</").ok_or(Malformed)?;
        let after = after.strip_prefix(name).and_then(|after| after.strip_prefix('>'));
        rest = after.ok_or(Malformed)?.trim_start();
        let id = id.trim();
        if id.is_empty() || id.len() > BLOCK_ID_CHARS_MAX {
            return Err(Malformed);
        }
        blocks.push((choice, id));
    }
    Ok(blocks)
}

/// Writes a list of blocks that wait, in the order of the blob; `ids` are base64, which XML takes
/// as it is.
#[must_use]
pub fn waiting_block_list(ids: &[String]) -> String {
    let mut xml = String::from(r#"<?xml version="1.0" encoding="utf-8"?><BlockList>"#);
    for id in ids {
        xml += "<Uncommitted>";
        xml += id;
        xml += "</Uncommitted>";
    }
    xml + "</BlockList>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_written_is_read() {
        let ids = ["QQ==", "Qg=="].map(str::to_owned);
        let waiting = |id| (BlockChoice::Uncommitted, id);
        let expected = vec![waiting("QQ=="), waiting("Qg==")];
        assert_eq!(parse_block_list(&waiting_block_list(&ids)), Ok(expected));
        assert_eq!(parse_block_list(&waiting_block_list(&[])), Ok(Vec::new()));
    }

    #[test]
    fn lists_of_both_sdks_are_read() {
        let python = "<?xml version='1.0' encoding='utf-8'?>\n\
                      <BlockList><Latest>QQ==</Latest><Latest>Qg==</Latest></BlockList>";
        let latest = |id| (BlockChoice::Latest, id);
        assert_eq!(parse_block_list(python), Ok(vec![latest("QQ=="), latest("Qg==")]));
        let mixed = "<BlockList>\n  <Committed>QQ==</Committed>\n  <Uncommitted>Qg==</Uncommitted>\n\
                     </BlockList>";
        let expected = vec![(BlockChoice::Committed, "QQ=="), (BlockChoice::Uncommitted, "Qg==")];
        assert_eq!(parse_block_list(mixed), Ok(expected));
        assert_eq!(parse_block_list("<BlockList />"), Ok(Vec::new()));
        for bad in [
            "",
            "<BlockList>",
            "<BlockList><Latest>QQ==</Committed></BlockList>",
            "<BlockList><Other>QQ==</Other></BlockList>",
            "<BlockList><Latest></Latest></BlockList>",
            "<BlockList>QQ==</BlockList>",
            "<!DOCTYPE x><BlockList></BlockList>",
        ] {
            assert_eq!(parse_block_list(bad), Err(InvalidBlockList::Malformed), "{bad}");
        }
    }
}
