using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Safetensors;

internal sealed class SafetensorsCheckpointTests : TemporaryFolderFixture
{
    private const string Scalar = """{"dtype":"F32","shape":[],"data_offsets":[0,4]}""";

    [TestCase("""{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}      """, 4,
        TestName = "Padding spaces are accepted")]
    [TestCase("{}", 0, TestName = "No tensors are accepted")]
    [TestCase("""{"__metadata__":{}}""", 0, TestName = "Empty metadata are accepted")]
    [TestCase("""{"__metadata__":null}""", 0, TestName = "No metadata are accepted")]
    [TestCase("""{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":null }""", 1,
        TestName = "No metadata after tensors are accepted")]
    [TestCase("\ufeff{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}  ", 1,
        TestName = "A byte order mark is accepted")]
    [TestCase("""{"w":{"dtype":"F64","shape":[0,4611686018427387904,2],"data_offsets":[0,0]}}""", 0,
        TestName = "A zero dimension before large ones is accepted")]
    [TestCase("""{"w":{"dtype":"F64","shape":[3,0,5],"data_offsets":[0,0]}}""", 0,
        TestName = "A zero dimension is accepted")]
    [TestCase("""{"w":{"dtype":"F64","shape":[0],"data_offsets":[4,4]},"v":{"dtype":"F32","shape":[]""" +
        ""","data_offsets":[0,4]},"u":{"dtype":"F64","shape":[0],"data_offsets":[4,4]}""" +
            ""","t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""",
        4,
        TestName = "Empty tensors may share an offset")]
    [TestCase("""{"w":{"data_offsets":[1,5],"shape":[1],"dtype":"F32"},"v":{"shape":[1]""" +
        ""","dtype":"U8","data_offsets":[0,1]}}""",
        5, TestName = "Any order is accepted")]
    [TestCase("""{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4],"note":[{"a":[1.5,"x",null]},true]}}""",
        4, TestName = "Other fields are ignored")]
    [TestCase("""{"w":{"dtype":"F6_E2M3","shape":[2,2],"data_offsets":[0,3]}}""", 3,
        TestName = "Packed elements that fill bytes are accepted")]
    [TestCase(
        """{"w":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1""" +
            """,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}""",
        1, TestName = "Many dimensions are accepted")]
    public void A_valid_header_is_accepted(string header, int dataBytes)
    {
        string path = Write("a.safetensors", HandWritten.File(header, dataBytes));
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        Assert.That(checkpoint.Tensors.Sum(tensor => tensor.ByteCount), Is.EqualTo(dataBytes));
        Assert.That(checkpoint.Tensors, Is.Ordered.By(nameof(TensorInfo.Name)));
        foreach (TensorInfo tensor in checkpoint.Tensors)
        {
            checkpoint.ReadBytes(tensor, 0, new byte[tensor.ByteCount]);
            if (tensor.Type is TensorType.F32 or TensorType.F64)
                checkpoint.Read(tensor, 0, new float[tensor.ElementCount]);
        }
    }

    [Test]
    public void Unaligned_values_of_any_kind_are_read()
    {
        // Three bytes precede the values, and the length of the header is odd.
        byte[] data = [9, 9, 9, .. BitConverter.GetBytes(1.5f),
            .. BitConverter.GetBytes(float.NegativeInfinity), .. BitConverter.GetBytes(0xffa0_0001u),
            .. BitConverter.GetBytes(-2.0)];
        byte[] header = Encoding.UTF8.GetBytes(
            """{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"v":{"dtype":"F32","shape":[3,1]""" +
                ""","data_offsets":[3,15]},"d":{"dtype":"F64","shape":[],"data_offsets":[15,23]}} """);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Write("a.safetensors",
            HandWritten.File(header, data)));

        TensorInfo tensor = checkpoint.Find("v")!;
        Assert.That(tensor.Shape, Is.EqualTo(new long[] { 3, 1 }));
        Assert.That((tensor.Type, tensor.ElementCount, tensor.ByteCount),
            Is.EqualTo((TensorType.F32, 3L, 12L)));
        float[] values = new float[3];
        checkpoint.Read(tensor, 0, values);
        Assert.That(MemoryMarshal.Cast<float, uint>(values).ToArray(),
            Is.EqualTo(new[] { 0x3fc0_0000u, 0xff80_0000u, 0xffa0_0001u }));
        double[] last = new double[1];
        checkpoint.Read(tensor, 2, last);
        Assert.That(BitConverter.DoubleToUInt64Bits(last[0]), Is.EqualTo(0xfff4_0000_2000_0000));
        checkpoint.Read(checkpoint.Find("d")!, 0, last);
        Assert.That(last[0], Is.EqualTo(-2));
    }

    [Test]
    public void The_metadata_are_read()
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Write("a.safetensors",
            HandWritten.File("""{"__metadata__":{"format":"pt","\u00e9":"\ud83d\ude00"}}""")));
        Assert.That(checkpoint.Metadata,
            Is.EqualTo(new Dictionary<string, string> { ["format"] = "pt", ["é"] = "😀" }));
    }

    [Test]
    public void Wrong_requests_are_rejected()
    {
        byte[] bytes = HandWritten.File("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""" +
            ""","i":{"dtype":"I32","shape":[1],"data_offsets":[8,12]}}""",
            12);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Write("a.safetensors", bytes));
        using SafetensorsCheckpoint other = SafetensorsCheckpoint.Open(Write("b.safetensors", bytes));
        TensorInfo tensor = checkpoint.Find("w")!, integer = checkpoint.Find("i")!;

        Assert.That(checkpoint.Find("x"), Is.Null);
        Assert.That(() => checkpoint.Read(tensor, 1, new float[2]),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => checkpoint.Read(tensor, -1, new double[1]),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => checkpoint.Read(tensor, long.MaxValue, new float[1]),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => checkpoint.ReadBytes(tensor, 5, new byte[4]),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => checkpoint.Read(tensor, 2, Span<float>.Empty), Throws.Nothing);
        Assert.That(() => other.Read(tensor, 0, new float[1]),
            Throws.ArgumentException.With.Message.Contains("'w'"));
        Assert.That(() => checkpoint.Read(integer, 0, new float[1]), Throws.InstanceOf<SafetensorsException>()
            .With.Property(nameof(SafetensorsException.Error)).EqualTo(SafetensorsError.UnsupportedType)
            .And.Message.Contains("'i'").And.Message.Contains("expected F32, F16, BF16 or F64, found I32"));
    }

    [Test]
    public void Disposal_ends_reads_and_may_be_repeated()
    {
        SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Write("a.safetensors",
            HandWritten.File($$"""{"w":{{Scalar}} }""", 4)));
        TensorInfo tensor = checkpoint.Find("w")!;
        checkpoint.Dispose();
        checkpoint.Dispose();
        Assert.That(() => checkpoint.Read(tensor, 0, new float[1]),
            Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => checkpoint.Read(tensor, 0, new double[1]),
            Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => checkpoint.ReadBytes(tensor, 0, new byte[1]),
            Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Reads_on_many_threads_survive_disposal()
    {
        // Several blocks: a read that has started also continues between two blocks.
        const int Count = 1 << 19;
        string path = Folder.File("a.safetensors");
        SafetensorsWriter.Write(path,
            [new TensorToWrite("w", TensorType.BF16, [Count], Enumerable.Repeat(3f, Count).ToArray())]);
        for (int round = 0; round < 20; round++)
        {
            SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
            TensorInfo tensor = checkpoint.Find("w")!;
            using CountdownEvent started = new(4);
            Task<int>[] readers = [.. Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(() =>
            {
                float[] values = new float[Count];
                for (int reads = 0; ; reads++)
                {
                    try
                    {
                        values.AsSpan().Clear();
                        checkpoint.Read(tensor, 0, values);
                    }
                    catch (ObjectDisposedException)
                    {
                        return reads;
                    }

                    if (values.AsSpan().ContainsAnyExcept(3f))
                        throw new InvalidDataException("a started read did not complete");
                    if (reads == 0)
                        started.Signal();
                }
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
            started.Wait();
            checkpoint.Dispose();
            Task.WaitAll(readers);
            Assert.That(readers.Select(reader => reader.Result), Is.All.AtLeast(1));
        }
    }

    [Test]
    public void Tensors_beyond_4_GiB_are_read()
    {
        // Sparse: the file uses a few blocks of the disk.
        const long Elements = (5L << 30) / 4;
        string path = Write("a.safetensors", HandWritten.File(
            $$$"""{"w":{"dtype":"F32","shape":[{{{Elements}}}],"data_offsets":[0,{{{4 * Elements}}}]}""" +
                $$$""","last":{"dtype":"F16","shape":[]""" +
                    $$$""","data_offsets":[{{{4 * Elements}}},{{{(4 * Elements) + 2}}}]}}"""));
        using (FileStream stream = new(path, FileMode.Append))
        {
            stream.SetLength(stream.Length + (4 * Elements) + 2);
            stream.Seek(-6, SeekOrigin.End);
            stream.Write([.. BitConverter.GetBytes(7f), 0x00, 0x3c]);
        }

        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        float[] values = new float[2];
        checkpoint.Read(checkpoint.Find("w")!, Elements - 2, values);
        Assert.That(values, Is.EqualTo(new[] { 0f, 7f }));
        checkpoint.Read(checkpoint.Find("last")!, 0, values.AsSpan(0, 1));
        Assert.That(values[0], Is.EqualTo(1));
    }

    [Test]
    public void A_header_of_100_MB_needs_a_small_multiple_of_its_size()
    {
        // The largest number of names, extents and metadata that fit, the densest of each kind of content.
        const int HeaderBytes = 100_000_000;
        (string Name, string Begin, Func<int, string> Entry, string End)[] kinds =
        [
            ("tensors", "{", index => $$"""
                "{{index}}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},
                """, """
                "w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}
                """),
            ("metadata", """{"__metadata__":{""", index => $"\"{index}\":\"\",", "\"\":\"\"}}"),
            ("extents", """{"w":{"dtype":"U8","data_offsets":[0,0],"shape":[""", _ => "0,", "0]}}"),
        ];
        foreach ((string name, string begin, Func<int, string> entry, string end) in kinds)
        {
            byte[] file = new byte[8 + HeaderBytes];
            file.AsSpan().Fill((byte)' ');
            BitConverter.TryWriteBytes(file, (long)HeaderBytes);
            int position = 8 + Encoding.UTF8.GetBytes(begin, file.AsSpan(8));
            int count = 1;
            for (; position < file.Length - 200; count++)
                position += Encoding.UTF8.GetBytes(entry(count), file.AsSpan(position));
            Encoding.UTF8.GetBytes(end, file.AsSpan(position));

            long before = GC.GetAllocatedBytesForCurrentThread();
            Stopwatch watch = Stopwatch.StartNew();
            SafetensorsHeader header = SafetensorsHeader.Parse(file, file.Length, "file");
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            TestContext.Out.WriteLine($"{name}: {count} entries, " +
                $"{allocated / (double)HeaderBytes:F1} times the header, {watch.ElapsedMilliseconds} ms");
            int found = name == "extents"
                ? header.Tensors[0].Shape.Count
                : header.Tensors.Length + header.Metadata.Count;
            Assert.That(found, Is.EqualTo(count));
            // All allocations, freed or not; the memory in use at any time is smaller.
            Assert.That(allocated, Is.LessThan(12L * HeaderBytes), name);
        }
    }

    [Test]
    public void A_file_truncated_while_it_is_open_is_an_error([Values(TensorType.F32, TensorType.BF16)] TensorType type)
    {
        // More than a page is missing: reading it through a mapping would end the process.
        const int Count = 100_000;
        string path = Folder.File("a.safetensors");
        SafetensorsWriter.Write(path, [new TensorToWrite("w", type, [Count], new float[Count])]);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        TensorInfo tensor = checkpoint.Find("w")!;
        long length = new FileInfo(path).Length;
        using (FileStream stream = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            stream.SetLength(length - 50_000);

        foreach (Action read in new Action[]
        {
            () => checkpoint.Read(tensor, 0, new float[Count]), () => checkpoint.Read(tensor, 0, new double[Count]),
            () => checkpoint.ReadBytes(tensor, 0, new byte[tensor.ByteCount]),
            () => checkpoint.Read(tensor, Count - 1, new float[1]),
        })
        {
            SafetensorsException error = Assert.Throws<SafetensorsException>(() => read())!;
            Assert.That(error.Error, Is.EqualTo(SafetensorsError.DataTooShort));
            Assert.That(error.Message, Does.StartWith($"{path}: expected {length} bytes").And.Contain("cut short"));
        }

        Assert.That(() => checkpoint.Read(tensor, 0, new float[1000]), Throws.Nothing,
            "the remaining part is still readable");
    }

    [Test]
    public void A_file_can_be_replaced_and_written_while_it_is_open()
    {
        byte[] bytes = HandWritten.File($$"""{"w":{{Scalar}} }""", 4);
        string path = Write("a.safetensors", bytes);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);

        Assert.That(() => File.WriteAllBytes(path, bytes), Throws.Nothing);
        Assert.That(() => File.Move(path, path + ".bak"), Throws.Nothing);
        Assert.That(() => checkpoint.Read(checkpoint.Find("w")!, 0, new float[1]), Throws.Nothing);
    }

    [Test]
    public void A_file_without_random_access_is_rejected()
    {
        Skip.If(!OperatingSystem.IsLinux(), "needs the pipes of /proc");
        SafetensorsException error = Assert.Throws<SafetensorsException>(() =>
        {
            using Process process =
                Process.Start(new ProcessStartInfo("sleep", "60") { RedirectStandardOutput = true })!;
            try
            {
                SafetensorsCheckpoint.Open($"/proc/{process.Id}/fd/1").Dispose();
            }
            finally
            {
                process.Kill();
            }
        })!;
        Assert.That(error.Error, Is.EqualTo(SafetensorsError.NotAFile));
        Assert.That(error.Message, Does.Contain("a pipe or a device"));
    }

    [Test]
    public void Tied_names_in_the_metadata_find_their_tensor()
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Write("a.safetensors", HandWritten.File(
            $$$"""{"__metadata__":{"format":"pt","v":"w","w":"x","u":"gone","x":"v","w2":"w"}""" +
                $$$""","w":{{{Scalar}}} }""", 4)));
        TensorInfo tensor = checkpoint.Find("w")!;

        Assert.That(checkpoint.Find("v"), Is.SameAs(tensor));
        Assert.That(checkpoint.Find("w2"), Is.SameAs(tensor));
        Assert.That(() => checkpoint.Read(checkpoint.Find("v")!, 0, new float[1]), Throws.Nothing);
        Assert.That(new[] { "u", "x", "format", "pt", "gone" }.Select(checkpoint.Find), Is.All.Null);
        Assert.That(checkpoint.Tensors.Select(stored => stored.Name), Is.EqualTo(new[] { "w" }));
    }

    private string Write(string name, byte[] bytes)
    {
        string path = Folder.File(name);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
