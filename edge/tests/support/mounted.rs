//! Filesystems of their own for tests: small ones, and ones on disks that fail. That takes root and
//! loop devices; without them tests say so and pass.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::patience::PATIENCE;

/// Where devices in memory are made and taken away.
const ZRAM_CONTROL: &str = "/sys/class/zram-control";

/// A mounted filesystem, unmounted at the end.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn tmpfs(name: &str, bytes: u64) -> Option<Self> {
        Self::mount(name, &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
    }

    pub(crate) fn ext4(name: &str, bytes: u64) -> Option<Self> {
        let image = image(name);
        let _ = fs::remove_file(&image);
        File::create(&image).and_then(|file| file.set_len(bytes)).expect("an image");
        let image = image.display().to_string();
        // Blocks as long as pages, as all but the smallest filesystems have: with shorter ones the
        // kernel ends a process that writes to a mapped page for which there is no room.
        run("mkfs.ext4", &["-q", "-F", "-m", "0", "-b", "4096", &image]).then_some(())?;
        Self::mount(name, &["-o", "loop", &image])
    }

    fn mount(name: &str, how: &[&str]) -> Option<Self> {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.mount"));
        fs::create_dir_all(&dir).expect("a mount point");
        let target = dir.display().to_string();
        let mounted = run("mount", &[how, &[&target]].concat());
        if !mounted {
            println!("skipped: {name} needs a mount, which needs root and loop devices");
        }
        mounted.then_some(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Takes the room, in steps of 64 KiB, until about `left` bytes are free; all of it for none.
    /// Returns the file to remove.
    pub(crate) fn fill_up(&self, left: u64) -> PathBuf {
        const STEPS: [u64; 2] = [64 * 1024, 4 * 1024];
        let mut path = self.0.join("filler");
        while path.exists() {
            path.add_extension("more");
        }
        let filler = File::create(&path).expect("a filler");
        let free = || rustix::fs::statvfs(&self.0).map(|stat| stat.f_bavail * stat.f_frsize);
        let none = rustix::fs::FallocateFlags::empty();
        let mut at = 0;
        for step in if left > 0 { &STEPS[..1] } else { &STEPS[..] } {
            while free().expect("statvfs") >= left + step
                && rustix::fs::fallocate(&filler, none, at, *step).is_ok()
            {
                at += step;
            }
        }
        path
    }

    /// From now on every write and sync fails, as on a disk that is gone: EXT4_IOC_SHUTDOWN,
    /// nothing flushed.
    pub(crate) fn shut_down(&self) {
        const SCRIPT: &str = r"open(my $d, '<', $ARGV[0]) or die 'open';
            my $flags = pack('L', 2);
            ioctl($d, 0x8004587d, $flags) or die $!;";
        let output = Command::new("perl").arg("-e").arg(SCRIPT).arg(&self.0).output();
        let output = output.expect("perl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Unmounts and mounts again: what was durable is there.
    pub(crate) fn replug(self, name: &str) -> Self {
        drop(self);
        let image = image(name).display().to_string();
        Self::mount(name, &["-o", "loop", &image]).expect("it mounts again")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        // The kernel takes the rings of an ended executor down in its own time, and with them its
        // files.
        while !run("umount", &[&self.0.display().to_string()]) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A disk that cannot write for a while, with an ext4 on it; reads go on. It is made of memory that
/// can be bounded (zram).
pub(crate) struct Failing {
    name: &'static str,
    number: String,
    mounted: Option<Mounted>,
}

impl Failing {
    pub(crate) fn new(name: &'static str) -> Option<Self> {
        let Ok(number) = fs::read_to_string(format!("{ZRAM_CONTROL}/hot_add")) else {
            println!("skipped: {name} needs a zram device, which needs root");
            return None;
        };
        let mut disk = Self { name, number: number.trim().to_owned(), mounted: None };
        disk.set("disksize", "100M");
        // A journal that cannot be written would end all writing for good.
        run("mkfs.ext4", &["-q", "-F", "-m", "0", "-O", "^has_journal", &disk.device()])
            .then_some(())?;
        disk.mounted = Some(Mounted::mount(name, &[&disk.device()])?);
        Some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.mounted.as_ref().expect("it is mounted").path()
    }

    /// Every write fails from now on.
    pub(crate) fn fail(&self) {
        self.set("mem_limit", "4K");
    }

    /// Every write succeeds again.
    pub(crate) fn mend(&self) {
        self.set("mem_limit", "0");
    }

    /// Unmounts and mounts again: what is on the disk is there.
    pub(crate) fn replug(&mut self) {
        drop(self.mounted.take());
        let mounted = Mounted::mount(self.name, &[&self.device()]);
        self.mounted = Some(mounted.expect("it mounts again"));
    }

    fn device(&self) -> String {
        format!("/dev/zram{}", self.number)
    }

    fn set(&self, attribute: &str, value: &str) {
        let file = format!("/sys/block/zram{}/{attribute}", self.number);
        fs::write(file, value).expect("the device is ours");
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        drop(self.mounted.take());
        self.set("reset", "1");
        let _ = fs::write(format!("{ZRAM_CONTROL}/hot_remove"), &self.number);
    }
}

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.ext4"))
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
