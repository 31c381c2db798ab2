using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Safetensors;

/// <summary>Files of other formats in place of a checkpoint or its index.</summary>
public class FileKindTests
{
    public static IEnumerable<Kind> Kinds =>
    [
        new("Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n"u8.ToArray()),
        new("HTML page", "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"u8.ToArray()),
        new("HTML page", "\n  <html><body>404</body></html>"u8.ToArray()),
        new("HTML page", "\ufeff<HTML></HTML>"u8.ToArray()),
        new("XML page", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"u8.ToArray()),
        new("ZIP archive", [.. "PK"u8, 3, 4, 0, 0, 0, 0, .. new byte[600]]),
        new("ZIP archive", [.. "PK"u8, 3, 4, 20, 0, 8, 8, .. new byte[30]]),
        new("Python pickle", [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]),
        new("Python pickle", [0x80, 4, 0x95, 9, 0, 0, 0, 0, 0, 0, 0, .. new byte[20]]),
        new("gzip archive", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, .. new byte[20]]),
        new("zstd archive", [0x28, 0xb5, 0x2f, 0xfd, .. new byte[20]]),
        new("tar archive", [.. "model.safetensors"u8, .. new byte[240], .. "ustar"u8, .. new byte[250]]),
        new("GGUF", [.. "GGUF"u8, 3, 0, 0, 0, .. new byte[20]]),
        new("HDF5", [0x89, .. "HDF\r\n\u001a\n"u8]),
        new("NumPy array", [0x93, .. "NUMPY"u8, 1, 0, .. new byte[20]]),
        new("PNG picture", [0x89, .. "PNG\r\n\u001a\n"u8, .. new byte[20]]),
        new("JPEG picture", [0xff, 0xd8, 0xff, 0xe0, 0, 16, .. "JFIF"u8, .. new byte[20]]),
        new("WebP picture", [.. "RIFF"u8, 36, 0, 0, 0, .. "WEBPVP8 "u8, .. new byte[20]]),
        new("GIF picture", [.. "GIF89a"u8, .. new byte[20]]),
        new("PDF document", [.. "%PDF-1.7\n"u8, .. new byte[20]]),
        new("AppleDouble", [0, 5, 0x16, 7, 0, 2, 0, 0, .. "Mac OS X        "u8]),
        new("UTF-16", [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes("{\"weight_map\":{}}")]),
        new("UTF-16", [.. Encoding.BigEndianUnicode.GetPreamble(), .. Encoding.BigEndianUnicode.GetBytes("{ }  ")]),
        new("UTF-16", Encoding.Unicode.GetBytes("{\"weight_map\":{}}")),
        new("UTF-16", Encoding.BigEndianUnicode.GetBytes("{\"weight_map\":{}}")),
        new("empty", []),
    ];

    private static IEnumerable<Kind> FilledKinds => Kinds.Where(kind => kind.Bytes.Length > 0);

    [Test]
    public void A_file_of_another_format_in_place_of_weights_is_named([ValueSource(nameof(FilledKinds))] Kind kind)
    {
        Check(kind, "model.safetensors", "a safetensors file");
        Assert.That(() => SafetensorsCheckpoint.Open(CheckpointBytes.Of(kind.Bytes)),
            Throws.TypeOf<SafetensorsException>().With.Message.StartsWith("the checkpoint in memory: expected a " +
                "safetensors file, found ").And.Message.Contains(kind.Name));
    }

    [Test]
    public void A_file_of_another_format_in_place_of_an_index_is_named([ValueSource(nameof(FilledKinds))] Kind kind)
        => Check(kind, "model.safetensors.index.json", "an index in JSON");

    [TestCase("model.safetensors")]
    [TestCase("model.safetensors.index.json")]
    public void An_empty_file_is_reported_as_empty(string name)
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File(name), []);

        Assert.That(() => SafetensorsCheckpoint.Open(folder.Path), Throws.TypeOf<SafetensorsException>()
            .With.Message.StartsWith(folder.File(name)).And.Message.Contains("empty"));
    }

    [Test]
    public void A_header_that_starts_like_an_archive_is_read()
    {
        // The header length equals the first bytes of a gzip file: 0x088b1f.
        byte[] header = new byte[0x088b1f];
        header.AsSpan().Fill((byte)' ');
        "{}"u8.CopyTo(header);
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File("model.safetensors"), HandWritten.File(header, []));

        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder.Path);

        Assert.That(checkpoint.Tensors, Is.Empty);
    }

    private static void Check(Kind kind, string name, string expected)
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File(name), kind.Bytes);
        SafetensorsException error =
            Assert.Throws<SafetensorsException>(() => SafetensorsCheckpoint.Open(folder.Path))!;

        Assert.That(error.Error, Is.EqualTo(SafetensorsError.AnotherFormat), error.Message);
        Assert.That(error.Message, Does.StartWith($"{folder.File(name)}: expected {expected}, found a")
            .Or.StartsWith($"{folder.File(name)}: expected {expected}, found text").And.Contain(kind.Name));
    }

    /// <summary>A file, and a part of its name in the error message.</summary>
    public sealed record Kind(string Name, byte[] Bytes)
    {
        public override string ToString()
            => $"{Name} {Convert.ToHexString(Bytes.AsSpan(0, Math.Min(6, Bytes.Length)))}";
    }
}
