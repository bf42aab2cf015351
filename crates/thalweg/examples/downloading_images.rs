//! Chained steps: images are downloaded, four at a time; each is resized on a separate thread as soon as it
//! arrives, and written to disk. A failed download does not stop the others.

use std::path::Path;
use std::time::Duration;
use std::{env, fs, process};

use thalweg::{BoxError, EventLoop, Stream};
use tokio::time::{Instant, sleep};

#[derive(Clone, Debug)]
struct Image {
    name: &'static str,
    width: usize,
    pixels: Vec<u8>,
}

/// A slow server: a second for every ten pixels of width.
async fn download(name: &'static str) -> Result<Image, String> {
    let width = match name {
        "delta" => 40,
        "river" => 10,
        "spring" => 20,
        _ => return Err("404 Not Found".to_string()),
    };
    sleep(Duration::from_secs(width as u64 / 10)).await;
    Ok(Image {
        name,
        width,
        pixels: vec![7; width * width],
    })
}

/// Halves an image: CPU-bound work, which would block the loop.
async fn resize(image: Image, event_loop: EventLoop) -> Result<Image, BoxError> {
    let halve = move || Image {
        width: image.width / 2,
        pixels: image.pixels.into_iter().step_by(4).collect(),
        ..image
    };
    event_loop.run_blocking(halve).await
}

fn write(image: &Image, directory: &Path) -> std::io::Result<()> {
    fs::write(directory.join(image.name), &image.pixels)
}

/// Time is paused: tokio advances to the next timer whenever everything waits.
#[tokio::main(flavor = "current_thread", start_paused = true)]
pub(crate) async fn main() -> Result<(), BoxError> {
    let begin = Instant::now();
    let directory = env::temp_dir().join(format!("thalweg-images-{}", process::id()));
    fs::create_dir_all(&directory)?;
    let event_loop = EventLoop::current().ok_or("this runs on an event loop")?;

    let names = Stream::new();
    let images = names.try_map_async_unordered(4, download).named("download");
    let lost = images
        .errors()
        .map(|failure| failure.to_string())
        .sink_to_list();
    let small = images.try_map_async(2, move |image| resize(image, event_loop.clone()));
    let into = directory.clone();
    small.try_sink(move |image| write(image, &into));
    let written = small
        .map(move |image| (image.name, begin.elapsed().as_secs()))
        .sink_to_list();

    for name in ["delta", "nowhere", "river", "spring"] {
        names.emit(name).await?;
    }
    names.drain("1min").await?;

    // The small ones were written while the large one was still downloading.
    println!("{:?}", written.to_vec());
    assert_eq!(
        written.to_vec(),
        [("river", 1), ("spring", 2), ("delta", 4)]
    );
    assert_eq!(
        lost.to_vec(),
        ["`download` failed on element 2: 404 Not Found"]
    );
    assert_eq!(fs::read(directory.join("delta"))?.len(), 20 * 20);
    fs::remove_dir_all(directory)?;
    Ok(())
}
