using System.Buffers.Binary;
using System.IO.Compression;
using MsResampler.Scenes;

namespace MsResampler.Training.Tests.Scenes;

/// <summary>Reading Fashion-MNIST: only the complete data are accepted.</summary>
internal sealed class GarmentSetTests : TemporaryFolderFixture
{
    private const string Images = "t10k-images-idx3-ubyte.gz";
    private const string Labels = "t10k-labels-idx1-ubyte.gz";
    private const int Count = 10_000;

    private static readonly byte[] s_labels = [.. Enumerable.Range(0, Count).Select(index => (byte)(index % 10))];

    private void Write(string name, uint magic, uint[] extents, ReadOnlySpan<byte> values)
    {
        using GZipStream stream = new(File.Create(Folder.File(name)), CompressionLevel.Fastest);
        Span<byte> word = stackalloc byte[sizeof(uint)];
        foreach (uint value in (uint[])[magic, .. extents])
        {
            BinaryPrimitives.WriteUInt32BigEndian(word, value);
            stream.Write(word);
        }

        stream.Write(values);
    }

    private void WriteComplete()
    {
        byte[] pixels = new byte[Count * 28 * 28];
        pixels[^1] = 7;
        Write(Images, 0x803, [Count, 28, 28], pixels);
        Write(Labels, 0x801, [Count], s_labels);
    }

    private void AssertRefused(string expected)
    {
        InvalidDataException problem = Assert.Throws<InvalidDataException>(
            () => GarmentSet.Load(Folder.Path, GarmentSplit.Test))!;
        Assert.That(problem.Message, Does.Contain(expected).And.Contain("tools/get-fashion-mnist.sh"));
    }

    [Test]
    public void Complete_data_are_read()
    {
        WriteComplete();
        GarmentSet garments = GarmentSet.Load(Folder.Path, GarmentSplit.Test);
        Assert.That(garments.Count, Is.EqualTo(Count));
        Assert.That(garments.ClassOf(13), Is.EqualTo(3));
        Assert.That(garments.Pixels(Count - 1)[^1], Is.EqualTo(7));
    }

    [Test]
    public void A_missing_file_is_refused()
    {
        AssertRefused($"{Images}: expected the file, found none");
        WriteComplete();
        File.Delete(Folder.File(Labels));
        AssertRefused($"{Labels}: expected the file, found none");
    }

    [Test]
    public void Other_contents_are_refused()
    {
        WriteComplete();
        Write(Images, 0x803, [Count - 1, 28, 28], new byte[(Count - 1) * 28 * 28]);
        AssertRefused("expected 10000×28×28 values, found 9999×28×28");
        Write(Images, 0x801, [Count, 28, 28], new byte[Count * 28 * 28]);
        AssertRefused("expected the magic number 0x803, found 0x801");
        Write(Images, 0x803, [Count, 28, 28], new byte[100]);
        AssertRefused("found the end of the file");
        Write(Images, 0x803, [Count, 28, 28], new byte[(Count * 28 * 28) + 1]);
        AssertRefused("found more");
        File.WriteAllText(Folder.File(Images), "not gzip");
        AssertRefused("expected a gzip file");
        WriteComplete();
        byte[] labels = [.. s_labels];
        labels[5] = 10;
        Write(Labels, 0x801, [Count], labels);
        AssertRefused("label 5: expected a class below 10, found 10");
    }

    [Test]
    public void The_real_data_are_split_without_overlap()
    {
        Skip.If(!Directory.Exists(GarmentSet.DefaultFolder), "tools/get-fashion-mnist.sh has not downloaded the data");
        GarmentSet training = GarmentSet.Load(GarmentSet.DefaultFolder, GarmentSplit.Training);
        GarmentSet validation = GarmentSet.Load(GarmentSet.DefaultFolder, GarmentSplit.Validation);
        GarmentSet test = GarmentSet.Load(GarmentSet.DefaultFolder, GarmentSplit.Test);
        Assert.That((training.Count, validation.Count, test.Count), Is.EqualTo((50_000, 10_000, 10_000)));
        HashSet<string> known = [.. All(training)];
        // Fashion-MNIST itself repeats a few images; 1 in 1000 would mean a wrong split.
        Assert.That(All(validation).Count(known.Contains), Is.LessThan(10));
        Assert.That(All(test).Count(known.Contains), Is.LessThan(10));

        static IEnumerable<string> All(GarmentSet garments)
            => Enumerable.Range(0, garments.Count).Select(garment => Convert.ToBase64String(garments.Pixels(garment)));
    }
}
