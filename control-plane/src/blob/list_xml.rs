//! Lists as storage clients read them.
//!
//! Source: Azure Storage REST API, "List Containers", "List Blobs", "Get Block List".

use std::fmt::{self, Write as _};

use ringhub_core::codec::http::HttpDate;
use ringhub_core::storage::{ContainerName, Escaped};

use super::answer::etag_text;
use super::headers::BlobHeaders;
use super::index::{BlobRow, BlockLists, ContainerRow};
use super::list::{Entry, Page};
use super::operation::ListRequest;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// Properties of a blob with the elements that they are.
const PROPERTIES: [(&str, &str); 6] = [
    ("content-type", "Content-Type"),
    ("content-encoding", "Content-Encoding"),
    ("content-language", "Content-Language"),
    ("content-md5", "Content-MD5"),
    ("cache-control", "Cache-Control"),
    ("content-disposition", "Content-Disposition"),
];

/// Elements of a document.
#[derive(Default)]
struct Xml(String);

impl Xml {
    fn put(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(text);
    }

    fn element(&mut self, name: &str, text: impl fmt::Display) {
        let text = text.to_string();
        self.put(format_args!("<{name}>{}</{name}>", Escaped(&text)));
    }

    /// The request of a list, as its answer repeats it.
    fn begin(&mut self, endpoint: &str, container: Option<&str>, page: &ListRequest) {
        self.put(format_args!(
            "{HEAD}<EnumerationResults ServiceEndpoint=\"{}\"",
            Escaped(endpoint)
        ));
        if let Some(container) = container {
            self.put(format_args!(" ContainerName=\"{}\"", Escaped(container)));
        }
        self.put(format_args!(">"));
        for (name, value) in
            [("Prefix", &page.prefix), ("Marker", &page.marker), ("Delimiter", &page.delimiter)]
        {
            if !value.is_empty() {
                self.element(name, value);
            }
        }
        self.element("MaxResults", page.limit);
    }

    fn end(mut self, next: &str) -> String {
        self.element("NextMarker", next);
        self.put(format_args!("</EnumerationResults>"));
        self.0
    }

    fn metadata(&mut self, headers: &BlobHeaders) {
        self.put(format_args!("<Metadata>"));
        for (name, value) in headers.metadata().filter(|(name, _)| is_element(name)) {
            self.element(name, value);
        }
        self.put(format_args!("</Metadata>"));
    }

    fn blob(&mut self, row: &BlobRow, with_metadata: bool) {
        self.put(format_args!("<Blob>"));
        self.element("Name", &row.name);
        self.put(format_args!("<Properties>"));
        self.element("Creation-Time", HttpDate(row.created));
        self.element("Last-Modified", HttpDate(row.modified));
        self.element("Etag", etag_text(row.etag));
        self.element("Content-Length", row.size);
        for (header, element) in PROPERTIES {
            match row.headers.get(header) {
                Some(value) => self.element(element, value),
                None if header == "content-type" => {
                    self.element(element, "application/octet-stream");
                }
                None => {}
            }
        }
        self.element("BlobType", "BlockBlob");
        self.lease();
        self.element("ServerEncrypted", "false");
        self.put(format_args!("</Properties>"));
        if with_metadata {
            self.metadata(&row.headers);
        }
        self.put(format_args!("</Blob>"));
    }

    fn lease(&mut self) {
        self.element("LeaseStatus", "unlocked");
        self.element("LeaseState", "available");
    }
}

pub(super) fn containers(endpoint: &str, page: &ListRequest, found: &Page<ContainerRow>) -> String {
    let mut xml = Xml::default();
    xml.begin(endpoint, None, page);
    xml.put(format_args!("<Containers>"));
    for row in &found.items {
        xml.put(format_args!("<Container>"));
        xml.element("Name", &row.name);
        xml.put(format_args!("<Properties>"));
        xml.element("Last-Modified", HttpDate(row.modified));
        xml.element("Etag", etag_text(row.etag));
        xml.lease();
        xml.put(format_args!("</Properties>"));
        if page.with_metadata {
            xml.metadata(&row.headers);
        }
        xml.put(format_args!("</Container>"));
    }
    xml.put(format_args!("</Containers>"));
    xml.end(&found.next)
}

pub(super) fn blobs(
    endpoint: &str,
    container: &ContainerName,
    page: &ListRequest,
    found: &Page<Entry>,
) -> String {
    let mut xml = Xml::default();
    xml.begin(endpoint, Some(container.as_str()), page);
    xml.put(format_args!("<Blobs>"));
    for entry in &found.items {
        match entry {
            Entry::Blob(row) => xml.blob(row, page.with_metadata),
            Entry::Prefix(beginning) => {
                xml.put(format_args!("<BlobPrefix>"));
                xml.element("Name", beginning);
                xml.put(format_args!("</BlobPrefix>"));
            }
        }
    }
    xml.put(format_args!("</Blobs>"));
    xml.end(&found.next)
}

pub(super) fn blocks(lists: &BlockLists) -> String {
    let mut xml = Xml::default();
    xml.put(format_args!("{HEAD}<BlockList>"));
    for (element, blocks) in
        [("CommittedBlocks", &lists.committed), ("UncommittedBlocks", &lists.waiting)]
    {
        xml.put(format_args!("<{element}>"));
        for (name, size) in blocks {
            xml.put(format_args!("<Block>"));
            xml.element("Name", name);
            xml.element("Size", size);
            xml.put(format_args!("</Block>"));
        }
        xml.put(format_args!("</{element}>"));
    }
    xml.put(format_args!("</BlockList>"));
    xml.0
}

/// Whether a name of metadata can be that of an element.
fn is_element(name: &str) -> bool {
    let is_first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    name.bytes().next().is_some_and(is_first)
        && name.bytes().all(|b| is_first(b) || b.is_ascii_digit() || b == b'-' || b == b'.')
}
