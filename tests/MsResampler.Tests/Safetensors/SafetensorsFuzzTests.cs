using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Safetensors;

/// <summary>Mutated files, indexes and folders of both: the result is success or a
/// <see cref="SafetensorsException"/>.</summary>
public class SafetensorsFuzzTests
{
    private const int InputCount = 600_000;
    private const long MaxAllocatedBytes = 64 << 20;
    private const int MaxLength = 4096;

    private static readonly byte[][] s_files =
    [
        HandWritten.File("{}"),
        HandWritten.File("""{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3]""" +
            ""","data_offsets":[0,24]},"b":{"dtype":"F16","shape":[],"data_offsets":[24,26]}}  """,
            26),
        HandWritten.File("""{"b":{"data_offsets":[8,14],"shape":[2,2,3],"dtype":"F4"}""" +
            ""","c":{"dtype":"U8","shape":[0],"data_offsets":[8,8]},"a":{"dtype":"I64","shape":[1]""" +
                ""","data_offsets":[0,8]}}""",
            14),
        HandWritten.File("""{"w":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[0,3],"more":{"x":[[1]]}}""" +
            ""","v":{"dtype":"BF16","shape":[1],"data_offsets":[3,5]}}""",
            5),
        HandWritten.File(
            "\ufeff{\"__metadata__\":{\"b\":\"a\",\"c\":\"b\"},\"a\":{\"dtype\":\"F32\"," +
                "\"shape\":[1],\"data_offsets\":[0,4]}} ",
            4),
        HandWritten.File("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":null}""", 4),
    ];

    private static readonly byte[][] s_indexes =
    [
        "\ufeff{\"weight_map\":{\"a\":\"x.safetensors\",\"b\":\"x.safetensors\"}}"u8.ToArray(),
        [
            .. """{"metadata":{"total_size":8},"""u8,
            .. "\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\"}}"u8,
        ],
        """{"weight_map":{"a":"x.safetensors"}}"""u8.ToArray(),
    ];

    private static readonly byte[][] s_tokens =
    [
        .. new[]
        {
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0061", "\\ud800", " ", "\t", "\0", "-", "-1", "0",
                "1", "0.5", "1e3", "9223372036854775807",
            "9223372036854775808", "18446744073709551615", "4294967296", "null", "true", "[]", "{}", "\"\"",
                "\"F32\"", "\"F4\"", "\"F99\"",
            "\"a\":", "\"w\":", "\"shape\":", "\"dtype\":", "\"data_offsets\":", "\"__metadata__\":",
                "\"weight_map\":", "[0,0]", "[0,4]", "\"__metadata__\":null,", "\"__metadata__\":{\"b\":\"a\"},",
            "../", "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},",
                "\"__metadata__\":{\"a\":\"b\"},", "//", "NaN", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        }.Select(Encoding.UTF8.GetBytes),
        [0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff],
    ];

    // The text between one of the first characters and one of the second, and its possible replacements.
    private static readonly (string Begin, string End, string[] Values)[] s_structures =
    [
        ("[,", ",]", ["0", "1", "2", "3", "4", "8", "24", "-1", "1.5", "1e1", "\"1\"", "null", "[]",
            "9223372036854775807", "9223372036854775808", "4294967296"]),
        ("[", "]", ["", "0", "3", "0,0", "1,1", "2,2", "0,4", "2,6", "8,0", "1,2,3", "4294967296,4294967296",
            "0,9223372036854775807"]),
        ("\"", "\"", ["a", "b", "w", "x", "F32", "U8", "F4", "F64", "f32", "dtype", "shape", "data_offsets",
            "__metadata__", "weight_map", "../x", "\\ud800", "\\u0061"]),
        (":", ",}", ["0", "\"a\"", "{}", "[]", "[0,0]", "[2]", "{\"a\":\"b\"}", new string('[', 40)]),
        ("{", "\"", ["\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},",
            "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]},",
            "\"__metadata__\":{\"a\":\"b\"},", "\"weight_map\":{},", "\"a\":\"x.safetensors\","]),
    ];

    [Test]
    public void The_seed_files_are_valid()
    {
        foreach (byte[] file in s_files)
            CheckInvariants(SafetensorsHeader.Parse(file, file.Length, "file"), file.Length);
        foreach (byte[] index in s_indexes)
            Assert.That(SafetensorsIndex.Parse(index, "index"), Is.Not.Empty);
    }

    [Test]
    public void Every_mutation_ends_in_success_or_a_typed_error()
    {
        Random random = new(20240601);
        Dictionary<SafetensorsError, int> errors = [];
        int successes = 0;
        long mostAllocated = 0;
        Stopwatch watch = Stopwatch.StartNew();
        for (int input = 0; input < InputCount; input++)
        {
            bool isIndex = input % 6 == 0;
            byte[][] seeds = isIndex ? s_indexes : s_files;
            byte[] bytes = Mutate(random, seeds[random.Next(seeds.Length)],
                isIndex ? 0 : SafetensorsHeader.LengthBytes);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                if (isIndex)
                    SafetensorsIndex.Parse(bytes, "index");
                else
                    CheckInvariants(SafetensorsHeader.Parse(bytes, bytes.Length, "file"), bytes.Length);
                successes++;
            }
            catch (SafetensorsException exception)
            {
                errors[exception.Error] = errors.GetValueOrDefault(exception.Error) + 1;
            }
            catch (Exception exception) when (exception is not AssertionException)
            {
                Assert.Fail($"input {input}, {Convert.ToHexString(bytes)}: {exception}");
            }

            mostAllocated = Math.Max(mostAllocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        TestContext.Out.WriteLine($"{InputCount} inputs in {watch.Elapsed.TotalSeconds:F1} s, " +
            $"{successes} successes, at most {mostAllocated} bytes allocated; " +
            string.Join(", ", errors.OrderBy(pair => -pair.Value).Select(pair => $"{pair.Key} {pair.Value}")));
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(60)));
        // The allocations of one input, freed or not, are a bound of its memory use.
        Assert.That(mostAllocated, Is.LessThan(MaxAllocatedBytes));

        // The mutations must cause every error that does not need a file.
        Assert.That(successes, Is.GreaterThan(InputCount / 100));
        SafetensorsError[] needFiles =
        [
            SafetensorsError.MissingShard, SafetensorsError.AmbiguousFolder, SafetensorsError.UnsupportedType,
            SafetensorsError.AnotherFormat, SafetensorsError.NotAFile,
        ];
        Assert.That(errors.Keys, Is.EquivalentTo(Enum.GetValues<SafetensorsError>().Except(needFiles)));
    }

    [Test]
    public void Mutated_files_on_disk_end_in_success_or_a_typed_error()
    {
        using TemporaryFolder folder = new();
        Random random = new(7);
        string path = folder.File("model.safetensors");
        int successes = 0;
        for (int input = 0; input < 2000; input++)
        {
            byte[] bytes = Mutate(random, s_files[random.Next(s_files.Length)],
                SafetensorsHeader.LengthBytes);
            File.WriteAllBytes(path, bytes);
            try
            {
                using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
                foreach (TensorInfo tensor in checkpoint.Tensors)
                {
                    checkpoint.ReadBytes(tensor, 0, new byte[tensor.ByteCount]);
                    if (ElementConversion.IsSupported(tensor.Type))
                        checkpoint.Read(tensor, 0, new double[tensor.ElementCount]);
                }

                successes++;
            }
            catch (SafetensorsException)
            {
                continue;
            }
        }

        Assert.That(successes, Is.InRange(1, 1999));
    }

    [Test]
    public void Mutated_folders_end_in_success_or_a_typed_error()
    {
        using TemporaryFolder folder = new();
        Random random = new(11);
        byte[][] shards = [.. s_files.Select(file => file.AsSpan().ToArray())];
        byte[] index = [.. """{"weight_map":{"a":"1.safetensors","b":"2.safetensors","""u8,
            .. "\"c\":\"2.safetensors\",\"inv_freq\":\"3.safetensors\"}}"u8];
        string[] names = ["model.safetensors", "1.safetensors", "2.safetensors", "model.safetensors.index.json"];
        Dictionary<string, int> outcomes = [];
        for (int input = 0; input < 2000; input++)
        {
            foreach (string name in names)
            {
                File.Delete(folder.File(name));
                if (random.Next(5) == 0)
                    continue;
                bool isIndex = name.EndsWith("json", StringComparison.Ordinal);
                byte[] bytes = isIndex ? index : shards[random.Next(shards.Length)];
                File.WriteAllBytes(folder.File(name), random.Next(2) == 0 ? bytes
                    : Mutate(random, bytes, isIndex ? 0 : SafetensorsHeader.LengthBytes));
            }

            string outcome;
            try
            {
                using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder.Path);
                foreach (TensorInfo tensor in checkpoint.Tensors.Concat(checkpoint.Aliases.Values))
                    checkpoint.ReadBytes(tensor, 0, new byte[tensor.ByteCount]);
                if (checkpoint.Aliases.Keys.Any(name => checkpoint.Tensors.Any(tensor => tensor.Name == name)))
                    throw new InvalidDataException("an alias hides a tensor");
                if (checkpoint.Absent.Keys.Any(name => checkpoint.Tensors.Any(tensor => tensor.Name == name)))
                    throw new InvalidDataException("a tensor is both present and missing");
                outcome = Path.GetFileName(checkpoint.SourcePath) + (checkpoint.Warnings.Count > 0 ? ", warned" : "");
            }
            catch (SafetensorsException exception)
            {
                outcome = exception.Error.ToString();
            }
            catch (FileNotFoundException)
            {
                outcome = "none";
            }

            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        TestContext.Out.WriteLine(string.Join(", ", outcomes.OrderBy(pair => -pair.Value)
            .Select(pair => $"{pair.Key} {pair.Value}")));
        foreach (string name in names.Where(name => name.StartsWith("model", StringComparison.Ordinal)))
            Assert.That(outcomes.Keys, Does.Contain(name + ", warned"));
        Assert.That(outcomes.Keys, Does.Contain(nameof(SafetensorsError.MissingShard)));
    }

    private static void CheckInvariants(SafetensorsHeader header, long fileBytes)
    {
        long end = header.DataStart;
        foreach (TensorInfo tensor in header.Tensors)
        {
            if (header.DataStart + tensor.FirstByte != end || tensor.ByteCount < 0
                || tensor.ByteCount * 8 != tensor.ElementCount * TensorTypes.BitsOf(tensor.Type))
                throw new InvalidDataException($"{tensor.Name} was accepted although its size is wrong");
            end += tensor.ByteCount;
        }

        int nameCount = header.Tensors.DistinctBy(tensor => tensor.Name).Count();
        if (end != fileBytes || nameCount != header.Tensors.Length)
            throw new InvalidDataException("a file was accepted although its tensors do not cover it");
    }

    private static byte[] Mutate(Random random, byte[] seed, int prefixBytes)
    {
        List<byte> bytes = [.. seed];
        // Half of the inputs remain valid JSON and so reach the code behind the parser.
        bool isStructured = random.Next(2) == 0;
        for (int left = 1 + random.Next(4); left > 0; left--)
        {
            int position = random.Next(Math.Min(prefixBytes, bytes.Count), bytes.Count + 1);
            if (isStructured)
                MutateStructure(random, bytes, position);
            else
                MutateBytes(random, bytes, position);
        }

        if (bytes.Count > MaxLength)
            bytes.RemoveRange(MaxLength, bytes.Count - MaxLength);
        byte[] result = [.. bytes];
        // In most cases the header length is corrected after the mutation, so that the mutation is read.
        if (prefixBytes > 0 && result.Length >= prefixBytes && random.Next(10) != 0)
        {
            int dataBytes = seed.Length - prefixBytes - (int)BinaryPrimitives.ReadInt64LittleEndian(seed);
            BinaryPrimitives.WriteInt64LittleEndian(result,
                Math.Max(0, result.Length - prefixBytes - dataBytes));
        }

        return result;
    }

    private static void MutateBytes(Random random, List<byte> bytes, int position)
    {
        int length = Math.Min(random.Next(1, 40), bytes.Count - position);
        switch (random.Next(8))
        {
            case 0 when length > 0:
                bytes[position] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when length > 0:
                bytes[position] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(position, length);
                break;
            case 3:
                int end = random.Next(bytes.Count + 1);
                bytes.RemoveRange(end, bytes.Count - end);
                break;
            case 4:
                bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(position, length));
                break;
            case 5:
                bytes.AddRange(new byte[random.Next(10)]);
                break;
            case 6 when bytes.Count > 0:
                bytes[random.Next(Math.Min(8, bytes.Count))] = (byte)random.Next(256);
                break;
            default:
                bytes.InsertRange(position, s_tokens[random.Next(s_tokens.Length)]);
                break;
        }
    }

    /// <summary>Replaces the next number, string or array, or adds a field.</summary>
    private static void MutateStructure(Random random, List<byte> bytes, int position)
    {
        (string begin, string end, string[] values) = s_structures[random.Next(s_structures.Length)];
        int first = bytes.FindIndex(position, value => begin.Contains((char)value));
        if (first < 0)
            return;
        int last = bytes.FindIndex(first + 1, value => end.Contains((char)value));
        if (last < 0)
            return;
        bytes.RemoveRange(first + 1, last - first - 1);
        bytes.InsertRange(first + 1, Encoding.UTF8.GetBytes(values[random.Next(values.Length)]));
    }
}
