using System.IO.Compression;
using System.Runtime.InteropServices;
using MsResampler.Cli;
using MsResampler.Cli.Input;
using MsResampler.Cli.Output;
using MsResampler.Safetensors;

namespace MsResampler.Vision.Tests.Photos;

internal sealed class TokenFileTests : TemporaryFolderFixture
{
    private const int ImageCount = 3;
    private const int QueryCount = 2;
    private const int TokenSize = 5;

    private static readonly float[] s_tokens = [.. Enumerable.Range(0, ImageCount * QueryCount * TokenSize)
        .Select(index => (index - 7) * 1.001f)];

    [Test]
    public void Every_format_holds_the_rounded_tokens([Values("tokens.pt", "tokens.safetensors", "tokens.npy")] string
        name, [Values(TensorType.F32, TensorType.F16, TensorType.BF16)] TensorType type)
    {
        string path = Folder.File(name);
        if (name == "tokens.npy" && type == TensorType.BF16)
        {
            Assert.That(() => Write(path, type, s_tokens), Throws.TypeOf<InputException>().With.Message
                .EqualTo($"{path}: --dtype bf16 is not a type of .npy; use f16 or f32, or write .safetensors or .pt"));
            return;
        }

        Write(path, type, s_tokens);
        byte[] expected = type switch
        {
            TensorType.F32 => MemoryMarshal.AsBytes<float>(s_tokens).ToArray(),
            TensorType.F16 => MemoryMarshal.AsBytes<Half>(s_tokens.Select(value => (Half)value).ToArray()).ToArray(),
            _ => Brain(s_tokens),
        };
        Assert.That(Data(path, type), Is.EqualTo(expected));
    }

    [TestCase(65_519f, TensorType.F16, true)] // rounds to 65,504, the largest float16
    [TestCase(65_520f, TensorType.F16, false)] // rounds to infinity
    [TestCase(3.4e38f, TensorType.BF16, false)] // the largest bfloat16 is 3.3895e38
    [TestCase(3.4e38f, TensorType.F32, true)]
    [TestCase(float.NaN, TensorType.F32, false)]
    [TestCase(float.PositiveInfinity, TensorType.BF16, false)]
    public void A_token_outside_the_range_of_the_type_is_an_error(float value, TensorType type, bool isInRange)
    {
        float[] tokens = [.. s_tokens];
        tokens[(2 * QueryCount * TokenSize) + 3] = value;
        string path = Folder.File("tokens.pt");
        if (isInRange)
        {
            Write(path, type, tokens);
            return;
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Write(path, type, tokens), Throws.TypeOf<InputException>().With.Message
                .StartsWith($"image 2: a value of the tokens is outside the range of {type}"));
            Assert.That(Directory.GetFileSystemEntries(Folder.Path), Is.Empty);
        }
    }

    private static void Write(string path, TensorType type, float[] tokens)
    {
        using TokenFile file = TokenFile.Create(path, type, ImageCount, QueryCount, TokenSize, new Inputs());
        // Once two images together, once one alone.
        file.Append(tokens.AsSpan(0, 2 * QueryCount * TokenSize), image => $"image {image}");
        file.Append(tokens.AsSpan(2 * QueryCount * TokenSize), image => $"image {image}");
        file.Commit(CancellationToken.None);
    }

    private static byte[] Data(string path, TensorType type)
    {
        long[] shape = [ImageCount, QueryCount, TokenSize];
        byte[] bytes = File.ReadAllBytes(path);
        switch (Path.GetExtension(path))
        {
            case ".npy":
                NpyHeader header = NpyHeader.Parse(bytes);
                Assert.That(header.Shape, Is.EqualTo(shape));
                return bytes[(int)header.DataOffset..];
            case ".safetensors":
                using (SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path))
                {
                    TensorInfo tensor = checkpoint.Find("tokens")!;
                    Assert.That(tensor.Shape, Is.EqualTo(shape));
                    Assert.That(tensor.Type, Is.EqualTo(type));
                    byte[] data = new byte[tensor.ByteCount];
                    checkpoint.ReadBytes(tensor, 0, data);
                    return data;
                }

            default:
                using (ZipArchive archive = new(new MemoryStream(bytes)))
                using (Stream stream = archive.GetEntry("archive/data/0")!.Open())
                using (MemoryStream content = new())
                {
                    // Also checks the checksum, which is written after the data.
                    stream.CopyTo(content);
                    // The checksum before the data has the same bytes as that of the directory.
                    byte[] checksum = BitConverter.GetBytes(archive.GetEntry("archive/data/0")!.Crc32);
                    int name = bytes.AsSpan().IndexOf("archive/data/0"u8);
                    Assert.That(bytes.AsSpan(name - 16, 4).ToArray(), Is.EqualTo(checksum));
                    return content.ToArray();
                }
        }
    }

    /// <summary>The upper halves of the bits, after adding half a unit; ties to even.</summary>
    private static byte[] Brain(float[] values) => [.. values.SelectMany(value =>
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        return (byte[])[(byte)rounded, (byte)(rounded >> 8)];
    })];
}
