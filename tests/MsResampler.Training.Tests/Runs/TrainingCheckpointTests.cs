using System.Runtime.InteropServices;
using MsResampler.Safetensors;

namespace MsResampler.Training.Tests.Runs;

/// <summary>Files that are not the checkpoint of the run: each is refused with what is wrong, and nothing
/// changes.</summary>
internal sealed class TrainingCheckpointTests : TemporaryFolderFixture
{
    private static readonly TrainingOptions s_options = new()
    {
        StepCount = 10,
        BatchSize = 3,
        AverageDecay = 0.9,
        Origin = new Dictionary<string, string> { ["data"] = "abc" },
    };

    private static readonly (string Case, Action<Content> Change, string Expected)[] s_changes =
    [
        ("a model", content => content.Metadata.Clear(), "expected a checkpoint of a training run"),
        ("another format", content => content.Metadata["format"] = "other", "found 'other'"),
        ("no step", content => content.Metadata.Remove("step"), "metadata 'step': expected a whole number"),
        ("a negative step", content => content.Metadata["step"] = "-1", "found '-1'"),
        ("a step beyond the last", content => content.Metadata["step"] = "11", "from 0 to 10, found '11'"),
        ("a fraction", content => content.Metadata["step"] = "1.5", "found '1.5'"),
        ("more updates than steps", content => content.Metadata["average_updates"] = "5", "average_updates"),
        ("another option", content => content.Metadata["option.batch"] = "4", "batch 4, now 3"),
        ("a missing option", content => content.Metadata.Remove("option.seed"),
            "seed absent from the checkpoint, now 0"),
        ("an unknown option", content => content.Metadata["option.x"] = "y", "x y, now absent from the options"),
        ("other data", content => content.Metadata["option.data"] = "abd", "data abd, now abc"),
        ("a missing tensor", content => content.Tensors.Remove("second/b.bias"), "'second/b.bias' (one of 1)"),
        ("a surplus tensor", content => content.Tensors["weight/c"] = (TensorType.F32, [1], new byte[4]), "'weight/c'"),
        ("another shape", content => content.Tensors["weight/b.bias"] = (TensorType.F32, [1, 19], new byte[76]),
            "'weight/b.bias': expected F32 [19], found F32 [1, 19]"),
        ("another type", content => content.Tensors["first/b.bias"] = (TensorType.F16, [19], new byte[38]),
            "'first/b.bias': expected F32 [19], found F16 [19]"),
        ("NaN", content => Put(content, "weight/a.weight", float.NaN), "'weight/a.weight': expected finite"),
        ("infinity", content => Put(content, "average/a.weight", float.PositiveInfinity), "'average/a.weight'"),
        ("a negative square", content => Put(content, "second/a.weight", -1), "'second/a.weight': expected squares"),
        ("counts of another type", content => content.Tensors["steps"] = (TensorType.I32, [2], new byte[8]),
            "'steps': expected I64 [2], found I32 [2]"),
        ("a count beyond the step", content => content.Tensors["steps"] = (TensorType.I64, [2],
            MemoryMarshal.AsBytes<long>([4, 5]).ToArray()), "'steps': expected numbers from 0 to the step 4, found 5"),
        ("a negative count", content => content.Tensors["steps"] = (TensorType.I64, [2],
            MemoryMarshal.AsBytes<long>([4, -1]).ToArray()), "found -1"),
        ("another value", content => Put(content, "weight/a.weight", 0.25f), "the content is damaged"),
        ("another step", content => content.Metadata["step"] = "5", "the content is damaged"),
        ("another number of updates", content => content.Metadata["average_updates"] = "3", "the content is damaged"),
        ("another count of a tensor", content => content.Tensors["steps"] = (TensorType.I64, [2],
            MemoryMarshal.AsBytes<long>([4, 3]).ToArray()), "the content is damaged"),
        ("exchanged names", content => (content.Tensors["weight/b.bias"], content.Tensors["average/b.bias"]) =
            (content.Tensors["average/b.bias"], content.Tensors["weight/b.bias"]), "the content is damaged"),
        ("no hash", content => content.Metadata.Remove("sha256"), "found nothing"),
        ("a tensor that was frozen", content => content.Metadata["frozen"] = "b.bias",
            "other frozen tensors: 'b.bias' frozen, now not (one of 1)"),
    ];

    [Test]
    public void A_file_that_does_not_fit_is_refused_and_changes_nothing(
        [ValueSource(nameof(Cases))] string name)
    {
        (_, Action<Content> change, string expected) = s_changes.Single(entry => entry.Case == name);
        string path = Folder.File("changed.safetensors");
        Content content = Content.Read(Saved());
        change(content);
        content.Write(path);
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options);
        loop.Next();
        float[] weights = objective.Weights();
        Assert.That(() => loop.Resume(path), Throws.InstanceOf<InvalidDataException>()
            .With.Message.StartsWith($"{path}: ").And.Message.Contains(expected));
        Assert.That(objective.Weights(), Is.EqualTo(weights));
        Assert.That(loop.Step, Is.EqualTo(1));
    }

    [Test]
    public void An_unchanged_copy_is_accepted()
    {
        string path = Folder.File("copy.safetensors");
        Content.Read(Saved()).Write(path);
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options);
        loop.Resume(path);
        Assert.That(loop.Step, Is.EqualTo(4));
    }

    [Test]
    public void A_file_that_is_cut_off_at_any_byte_is_refused()
    {
        byte[] whole = File.ReadAllBytes(Saved());
        string path = Folder.File("cut.safetensors");
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options);
        for (int length = 0; length < whole.Length; length += 97)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.That(() => loop.Resume(path), Throws.InstanceOf<SafetensorsException>(), $"{length} bytes");
        }

        Assert.That(objective.Weights(), Is.All.Zero);
    }

    private static IEnumerable<string> Cases() => s_changes.Select(entry => entry.Case);

    private static void Put(Content content, string name, float value)
        => MemoryMarshal.Cast<byte, float>(content.Tensors[name].Bytes.AsSpan())[7] = value;

    private string Saved()
    {
        string path = Folder.File("saved.safetensors");
        Quadratic objective = new();
        TrainingLoop loop = new(objective.Tensors, objective, s_options);
        for (int step = 0; step < 4; step++)
            loop.Next();
        loop.Save(path);
        return path;
    }

    /// <summary>The tensors and the metadata of a file.</summary>
    private sealed class Content
    {
        public Dictionary<string, string> Metadata { get; private init; } = [];

        public Dictionary<string, (TensorType Type, long[] Shape, byte[] Bytes)> Tensors { get; } = [];

        public static Content Read(string path)
        {
            using SafetensorsCheckpoint file = SafetensorsCheckpoint.Open(path);
            Content content = new() { Metadata = new(file.Metadata) };
            foreach (TensorInfo tensor in file.Tensors)
            {
                byte[] bytes = new byte[tensor.ByteCount];
                file.ReadBytes(tensor, 0, bytes);
                content.Tensors[tensor.Name] = (tensor.Type, [.. tensor.Shape], bytes);
            }

            return content;
        }

        public void Write(string path) => SafetensorsWriter.Write(path, Tensors.Select(tensor
            => TensorToWrite.FromBytes(tensor.Key, tensor.Value.Type, tensor.Value.Shape, tensor.Value.Bytes)),
            Metadata);
    }
}
