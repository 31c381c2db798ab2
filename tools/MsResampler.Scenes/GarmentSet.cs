using System.Buffers.Binary;
using System.IO.Compression;

namespace MsResampler.Scenes;

/// <summary>Garments of Fashion-MNIST: grey images of 28×28 pixels in ten classes.</summary>
internal sealed class GarmentSet
{
    /// <summary>Rows and columns of a garment, in pixels.</summary>
    public const int Side = 28;

    public const int ClassCount = 10;

    private const int PixelCount = Side * Side;
    private const int TrainingFileCount = 60_000;
    private const int ValidationCount = 10_000;
    private const int TestFileCount = 10_000;
    private const uint ImagesMagic = 0x803;
    private const uint LabelsMagic = 0x801;

    private readonly byte[] _pixels;
    private readonly byte[] _labels;

    public GarmentSet(byte[] pixels, byte[] labels)
    {
        if (pixels.Length != (long)labels.Length * PixelCount)
            throw new ArgumentException($"expected {labels.Length} garments of {PixelCount} pixels, found " +
                $"{pixels.Length} pixels", nameof(pixels));
        _pixels = pixels;
        _labels = labels;
    }

    public static IReadOnlyList<string> ClassNames { get; } =
        ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

    /// <summary>The folder where <c>tools/get-fashion-mnist.sh</c> stores the files.</summary>
    public static string DefaultFolder
    {
        get
        {
            string cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } folder ? folder
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
            return Path.Combine(cache, "msresampler", "fashion-mnist");
        }
    }

    public int Count => _labels.Length;

    /// <summary>Whether the garments of a class are shoes, whose toes all point to the left in Fashion-MNIST.</summary>
    public static bool IsShoe(int garmentClass) => garmentClass is 5 or 7 or 9;

    public int ClassOf(int garment) => _labels[garment];

    /// <summary>The pixels of a garment, row-major; 0 is the background.</summary>
    public ReadOnlySpan<byte> Pixels(int garment) => _pixels.AsSpan(garment * PixelCount, PixelCount);

    /// <summary>Reads a part of the complete data set.</summary>
    /// <exception cref="InvalidDataException">A file is missing or is not the complete one.</exception>
    public static GarmentSet Load(string folder, GarmentSplit split)
    {
        bool isTest = split == GarmentSplit.Test;
        int fileCount = isTest ? TestFileCount : TrainingFileCount;
        string name = isTest ? "t10k" : "train";
        byte[] pixels = Read(folder, $"{name}-images-idx3-ubyte.gz", ImagesMagic, [fileCount, Side, Side]);
        byte[] labels = Read(folder, $"{name}-labels-idx1-ubyte.gz", LabelsMagic, [fileCount]);
        if (Array.FindIndex(labels, label => label >= ClassCount) is var wrong and >= 0)
            throw Wrong(folder, $"{name}-labels-idx1-ubyte.gz: label {wrong}: expected a class below {ClassCount}, " +
                $"found {labels[wrong]}");
        (int first, int count) = split switch
        {
            GarmentSplit.Training => (0, fileCount - ValidationCount),
            GarmentSplit.Validation => (fileCount - ValidationCount, ValidationCount),
            _ => (0, fileCount),
        };
        return new GarmentSet(pixels.AsSpan(first * PixelCount, count * PixelCount).ToArray(),
            labels.AsSpan(first, count).ToArray());
    }

    private static byte[] Read(string folder, string name, uint magic, int[] extents)
    {
        string path = Path.Combine(folder, name);
        if (!File.Exists(path))
            throw Wrong(folder, $"{name}: expected the file, found none");
        try
        {
            using GZipStream stream = new(File.OpenRead(path), CompressionMode.Decompress);
            byte[] header = new byte[sizeof(uint) * (1 + extents.Length)];
            stream.ReadExactly(header);
            uint[] found = [.. Enumerable.Range(0, 1 + extents.Length).Select(index
                => BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(sizeof(uint) * index)))];
            if (found[0] != magic)
                throw Wrong(folder, $"{name}: expected the magic number 0x{magic:X}, found 0x{found[0]:X}");
            if (!found.Skip(1).SequenceEqual(extents.Select(extent => (uint)extent)))
                throw Wrong(folder, $"{name}: expected {string.Join("×", extents)} values, found " +
                    string.Join("×", found.Skip(1)));
            byte[] values = new byte[extents.Aggregate(1, (product, extent) => checked(product * extent))];
            stream.ReadExactly(values);
            return stream.ReadByte() < 0 ? values
                : throw Wrong(folder, $"{name}: expected {values.Length} bytes of values, found more");
        }
        catch (EndOfStreamException)
        {
            throw Wrong(folder, $"{name}: expected {string.Join("×", extents)} values, found the end of the file");
        }
        catch (InvalidDataException problem) when (problem.Data.Count == 0)
        {
            throw Wrong(folder, $"{name}: expected a gzip file ({problem.Message})");
        }
    }

    private static InvalidDataException Wrong(string folder, string problem)
        => new($"Fashion-MNIST in {folder}: {problem}. tools/get-fashion-mnist.sh downloads the data.")
        {
            Data = { ["reason"] = problem },
        };
}
