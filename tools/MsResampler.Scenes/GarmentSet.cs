using System.Buffers.Binary;
using System.IO.Compression;
using MsResampler.Files;

namespace MsResampler.Scenes;

/// <summary>Garments of Fashion-MNIST: grey images of 28×28 pixels in ten classes.</summary>
internal sealed class GarmentSet
{
    /// <summary>Rows and columns of a garment, in pixels.</summary>
    public const int Side = 28;

    public const int ClassCount = 10;

    /// <summary>The garments of each class in the demo.</summary>
    public const int DemoCountPerClass = 20;

    private const string DemoImages = "garments-images-idx3-ubyte.gz";
    private const string DemoLabels = "garments-labels-idx1-ubyte.gz";
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

    /// <summary>The garments of the demo, which are built into this program: the first
    /// <see cref="DemoCountPerClass"/> of each class in the test set.</summary>
    public static GarmentSet LoadDemo()
    {
        const int Count = DemoCountPerClass * ClassCount;
        return new GarmentSet(Open(DemoImages, ImagesMagic, [Count, Side, Side]),
            Open(DemoLabels, LabelsMagic, [Count]));

        static byte[] Open(string name, uint magic, int[] extents)
        {
            using Stream file = DemoModel.Open(name);
            return Read(file, "this program", name, magic, extents);
        }
    }

    /// <summary>Writes the garments of the demo.</summary>
    /// <param name="folder">The folder to write to.</param>
    public void WriteDemo(string folder)
    {
        int[] chosen = [.. Enumerable.Range(0, Count).GroupBy(ClassOf).OrderBy(group => group.Key)
            .SelectMany(group => group.Take(DemoCountPerClass))];
        Write(Path.Combine(folder, DemoImages), ImagesMagic, [chosen.Length, Side, Side],
            [.. chosen.SelectMany(garment => Pixels(garment).ToArray())]);
        Write(Path.Combine(folder, DemoLabels), LabelsMagic, [chosen.Length],
            [.. chosen.Select(garment => _labels[garment])]);
    }

    private static void Write(string path, uint magic, int[] extents, byte[] values)
    {
        using AtomicFile file = new(path);
        using (GZipStream stream = new(file.Stream, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            byte[] number = new byte[sizeof(uint)];
            foreach (uint value in extents.Select(extent => (uint)extent).Prepend(magic))
            {
                BinaryPrimitives.WriteUInt32BigEndian(number, value);
                stream.Write(number);
            }

            stream.Write(values);
        }

        file.Commit(default);
    }

    private static byte[] Read(string folder, string name, uint magic, int[] extents)
    {
        string path = Path.Combine(folder, name);
        if (!File.Exists(path))
            throw Wrong(folder, $"{name}: expected the file, found none");
        using FileStream file = File.OpenRead(path);
        return Read(file, folder, name, magic, extents);
    }

    private static byte[] Read(Stream file, string folder, string name, uint magic, int[] extents)
    {
        try
        {
            using GZipStream stream = new(file, CompressionMode.Decompress);
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
