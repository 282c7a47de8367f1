use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use ringhub_core::id::HubId;
use ringhub_core::limits::{BLOB_REMOVAL_FILES_MAX, BLOCK_RETENTION};
use ringhub_core::quota::QuotaPlan;
use ringhub_core::storage::{BlobName, BlockChoice, ContainerName, StorageQuery};
use ringhub_core::time::UnixMillis;

use super::conditions::Conditions;
use super::files::{FileId, Files};
use super::headers::BlobHeaders;
use super::index::{Index, NewBlob, Place};
use super::key::Secret;
use super::list::{self, Entry};
use super::operation::{ListRequest, is_blob_path};
use super::quota::Quota;
use super::thread::Store;
use super::{StorageError, sweep};
use crate::clock;
use crate::directory::{Directory, Hub};
use crate::tests::TempDir;

const HUB: HubId = HubId(0);
const NOW: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

fn container() -> ContainerName {
    ContainerName::parse("uploads").expect("valid")
}

fn new(hub: HubId, name: &str) -> NewBlob {
    let blob = BlobName::parse(name).expect("valid");
    NewBlob {
        place: Place { hub, container: container(), blob },
        makes_container: true,
        headers: BlobHeaders::default(),
        conditions: Conditions::default(),
    }
}

fn ids(freed: Vec<(FileId, HubId, u64)>) -> Vec<u64> {
    freed.into_iter().map(|(id, ..)| id.0).collect()
}

#[test]
fn a_list_makes_a_blob_of_blocks_and_forgets_the_others() {
    let dir = TempDir::new();
    let mut index = Index::open(dir.path()).expect("it can be made");
    let a = new(HUB, "a");
    for (block, file) in [("AA", 1), ("BB", 2), ("CC", 3)] {
        let freed = index.put_block(&a, block, (FileId(file), 10), NOW).expect("stored");
        assert!(freed.is_empty());
    }
    let freed = index.put_block(&a, "AA", (FileId(4), 12), NOW).expect("stored");
    assert_eq!(ids(freed), [1], "the block was sent again");
    let list =
        [(BlockChoice::Latest, "BB"), (BlockChoice::Latest, "AA"), (BlockChoice::Latest, "AA")];
    let written = index.put_block_list(&a, &list, NOW).expect("all are there");
    assert_eq!(ids(written.freed), [3]);
    let row = index.blob(&a.place).expect("read").expect("it is there");
    assert_eq!(row.size, 34);
    index.put_block(&a, "DD", (FileId(5), 1), NOW).expect("stored");
    let missing = index.put_block_list(&a, &[(BlockChoice::Uncommitted, "AA")], NOW);
    assert_eq!(missing.err(), Some(StorageError::BlockList));
    let list = [(BlockChoice::Committed, "AA"), (BlockChoice::Uncommitted, "DD")];
    let written = index.put_block_list(&a, &list, NOW).expect("all are there");
    assert_eq!(ids(written.freed), [2]);
    let lists = index.block_lists(&a.place).expect("read");
    assert_eq!(lists.committed, [("AA".to_owned(), 12), ("DD".to_owned(), 1)]);
    let known: HashSet<u64> = index.files().expect("read").iter().map(|f| f.id.0).collect();
    assert_eq!(known, HashSet::from([4, 5]));
    let freed = index.delete_blob(&a.place, &Conditions::default()).expect("deleted");
    assert_eq!(ids(freed), [4, 5]);
}

#[test]
fn blocks_that_nobody_comes_back_for_are_removed() {
    let dir = TempDir::new();
    let mut index = Index::open(dir.path()).expect("it can be made");
    let later = UnixMillis::from_millis(NOW.as_millis() + 1000);
    let (old, young) = (new(HUB, "old"), new(HUB, "young"));
    index.put_block(&old, "AA", (FileId(1), 10), NOW).expect("stored");
    index.put_block(&young, "AA", (FileId(2), 10), NOW).expect("stored");
    index.put_block(&young, "BB", (FileId(3), 10), later).expect("stored");
    assert_eq!(ids(index.sweep_blocks(later).expect("swept")), [1]);
    assert_eq!(ids(index.sweep_blocks(later).expect("swept")), Vec::<u64>::new());
}

#[test]
fn room_of_forsaken_blocks_is_given_back() {
    let dir = TempDir::new();
    let store = Store {
        index: Arc::new(Mutex::new(Index::open(dir.path()).expect("it can be made"))),
        files: Arc::new(Files::open(dir.path(), &HashSet::new()).expect("made")),
        quota: Arc::default(),
        counters: Arc::default(),
        directory: Arc::new(Directory::new(
            vec![Hub::bare(HUB, "hub.example.net")],
            QuotaPlan::default(),
        )),
    };
    assert!(store.index_for(HUB).is_ok());
    assert_eq!(store.index_for(HubId(1)).err(), Some(StorageError::Resource), "it is gone");
    store.quota.reserve(HUB, 30, 100).expect("there is room");
    let mut files = Vec::new();
    for (name, age, bytes) in [("old", 2 * BLOCK_RETENTION, 10), ("young", Duration::ZERO, 20)] {
        let (file, _) = store.files.create().expect("made");
        let staged = clock::now() - age;
        store.index().put_block(&new(HUB, name), "AA", (file, bytes), staged).expect("stored");
        files.push(file);
    }
    sweep::remove_forsaken_blocks(&store);
    assert_eq!(store.quota.used(HUB), 20);
    let is_there: Vec<_> =
        files.iter().map(|file| store.files.open_to_read(*file).is_ok()).collect();
    assert_eq!(is_there, [false, true]);
}

#[test]
fn hubs_have_their_blobs_apart() {
    let dir = TempDir::new();
    let mut index = Index::open(dir.path()).expect("it can be made");
    let other = HubId(1);
    for (hub, file) in [(HUB, 1), (other, 2)] {
        index.put_blob(&new(hub, "a"), Some((FileId(file), 10)), NOW).expect("stored");
    }
    let freed = index.delete_hub_step(other).expect("deleted");
    assert_eq!(freed.map(ids), Some(vec![2]));
    assert_eq!(index.delete_hub_step(other).expect("deleted"), None);
    assert!(index.blob(&new(HUB, "a").place).expect("read").is_some());
    let secret = Secret::open(dir.path()).expect("it can be made");
    let again = Secret::open(dir.path()).expect("it is there");
    assert_eq!(secret.account_key(HUB), again.account_key(HUB));
    assert_ne!(secret.account_key(HUB), secret.account_key(other));
    let quota = Quota::default();
    assert_eq!(quota.reserve(HUB, 60, 100), Ok(()));
    assert_eq!(quota.reserve(HUB, 50, 100), Err(StorageError::Quota(100)));
    assert_eq!(quota.reserve(HUB, u64::MAX, u64::MAX), Err(StorageError::Quota(u64::MAX)));
    assert_eq!(quota.reserve(other, 50, 100), Ok(()));
    quota.release(HUB, 20);
    assert_eq!((quota.reserve(HUB, 50, 100), quota.used(HUB)), (Ok(()), 90));
}

/// A hub goes step by step: no step is long, however much there is, and none removes a file twice.
#[test]
fn a_hub_with_many_blobs_goes_in_steps() {
    const BLOBS: u64 = 2 * BLOB_REMOVAL_FILES_MAX as u64 + 10;
    let dir = TempDir::new();
    let mut index = Index::open(dir.path()).expect("it can be made");
    for file in 1..=BLOBS {
        let new = new(HUB, &format!("blob-{file}"));
        index.put_blob(&new, Some((FileId(file), 10)), NOW).expect("stored");
    }
    // The file of this block is in two places of a blob, and the block of the other one waits.
    let twice = new(HUB, "twice");
    index.put_block(&twice, "AA", (FileId(BLOBS + 1), 10), NOW).expect("stored");
    let list = [(BlockChoice::Latest, "AA"), (BlockChoice::Latest, "AA")];
    index.put_block_list(&twice, &list, NOW).expect("it is there");
    index.put_block(&twice, "BB", (FileId(BLOBS + 2), 10), NOW).expect("stored");
    let mut removed = Vec::new();
    let mut steps = 0;
    while let Some(freed) = index.delete_hub_step(HUB).expect("deleted") {
        assert!(freed.len() <= BLOB_REMOVAL_FILES_MAX, "{} files at a time", freed.len());
        removed.extend(ids(freed));
        steps += 1;
    }
    removed.sort_unstable();
    assert_eq!((removed, steps), ((1..=BLOBS + 2).collect(), 4));
    assert!(index.files().expect("read").is_empty());
}

#[test]
fn conditions_keep_a_blob_from_being_replaced() {
    let dir = TempDir::new();
    let mut index = Index::open(dir.path()).expect("it can be made");
    let mut a = new(HUB, "a");
    let first = index.put_blob(&a, None, NOW).expect("stored");
    let mut headers = HeaderMap::new();
    headers.insert("if-none-match", HeaderValue::from_static("*"));
    a.conditions = Conditions::of(&headers);
    assert_eq!(index.put_blob(&a, None, NOW).err(), Some(StorageError::BlobExists));
    let tag = format!("\"0x{:016X}\"", first.etag);
    let mut headers = HeaderMap::new();
    headers.insert("if-match", HeaderValue::try_from(tag).expect("valid"));
    a.conditions = Conditions::of(&headers);
    assert!(index.put_blob(&a, None, NOW).is_ok());
    assert_eq!(index.put_blob(&a, None, NOW).err(), Some(StorageError::Condition));
    let other = NewBlob { makes_container: false, ..new(HUB, "a") };
    let container = ContainerName::parse("elsewhere").expect("valid");
    let other = NewBlob { place: Place { container, ..other.place.clone() }, ..other };
    assert_eq!(index.put_blob(&other, None, NOW).err(), Some(StorageError::ContainerNotFound));
}

#[test]
fn lists_have_pages_and_folders() {
    let dir = TempDir::new();
    let mut index = Index::open(dir.path()).expect("it can be made");
    let names = ["a", "b/1", "b/2", "b/c/3", "b0", "ö/1"];
    for name in names {
        index.put_blob(&new(HUB, name), None, NOW).expect("stored");
    }
    let page = |prefix: &str, delimiter: &str, limit, marker: String| ListRequest {
        prefix: prefix.to_owned(),
        delimiter: delimiter.to_owned(),
        marker,
        limit,
        with_metadata: false,
    };
    let all = |prefix: &str, delimiter: &str, limit| {
        let (mut found, mut marker) = (Vec::new(), String::new());
        loop {
            let page = page(prefix, delimiter, limit, marker);
            let read = list::blobs(&index, (HUB, &container()), &page).expect("read");
            found.extend(read.items.into_iter().map(|entry| match entry {
                Entry::Blob(row) => row.name,
                Entry::Prefix(beginning) => beginning,
            }));
            if read.next.is_empty() {
                return found;
            }
            marker = read.next;
        }
    };
    for limit in 1..=7 {
        assert_eq!(all("", "", limit), names, "{limit}");
        assert_eq!(all("", "/", limit), ["a", "b/", "b0", "ö/"], "{limit}");
        assert_eq!(all("b/", "/", limit), ["b/1", "b/2", "b/c/"], "{limit}");
        assert_eq!(all("b", "", limit), ["b/1", "b/2", "b/c/3", "b0"], "{limit}");
    }
    let bad = list::blobs(&index, (HUB, &container()), &page("", "", 1, "%".to_owned()));
    assert_eq!(bad.err(), Some(StorageError::Header("marker")));
}

#[test]
fn a_start_removes_files_that_no_row_names() {
    let dir = TempDir::new();
    let files = Files::open(dir.path(), &HashSet::new()).expect("made");
    let (kept, _) = files.create().expect("made");
    let (left, _) = files.create().expect("made");
    let files = Files::open(dir.path(), &HashSet::from([kept])).expect("opened");
    assert!(files.open_to_read(kept).is_ok() && files.open_to_read(left).is_err());
    let (next, _) = files.create().expect("made");
    assert!(next > kept);
}

#[test]
fn the_account_is_one_segment_of_a_path() {
    assert!(is_blob_path("/ringhubstorage") && is_blob_path("/ringhubstorage?comp=list"));
    assert!(is_blob_path("/ringhubstorage/uploads/a"));
    assert!(!is_blob_path("/ringhubstorages/a") && !is_blob_path("/devices/ringhubstorage"));
    assert_eq!(StorageQuery::parse("Comp=list&x").get("comp"), Some("list"));
}
