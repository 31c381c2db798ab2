using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Training;

/// <summary>The file of a training run: the tensors <c>weight/NAME</c>, <c>first/NAME</c>, <c>second/NAME</c> and, with
/// a moving average, <c>average/NAME</c>, all F32 with the shapes of the weights; <c>steps</c>, I64, the number of
/// steps of each tensor; and in the metadata the step, the options, the names of frozen tensors and a hash of all
/// values.</summary>
internal static class TrainingCheckpoint
{
    private const string FormatKey = "format";
    private const string Format = "ms_resampler_training";
    private const string StepKey = "step";
    private const string UpdatesKey = "average_updates";
    private const string FrozenKey = "frozen";
    private const string HashKey = "sha256";
    private const char Separator = '\n';
    private const string OptionPrefix = "option.";
    private const string StepsName = "steps";

    /// <summary>Writes the file atomically.</summary>
    /// <exception cref="TrainingException">A value is NaN or infinite.</exception>
    public static void Write(string path, AdamW optimiser, WeightAverage? average,
        IReadOnlyDictionary<string, string> options, CancellationToken cancellationToken)
    {
        Dictionary<string, string> metadata = options.ToDictionary(option => OptionPrefix + option.Key,
            option => option.Value);
        metadata[FormatKey] = Format;
        metadata[StepKey] = optimiser.StepCount.ToString(CultureInfo.InvariantCulture);
        metadata[UpdatesKey] = (average?.UpdateCount ?? 0).ToString(CultureInfo.InvariantCulture);
        metadata[FrozenKey] = string.Join(Separator, FrozenNames(optimiser));
        long[] steps = [.. optimiser.States.Select(state => state.StepCount)];
        Part[] parts = [.. Parts(optimiser, average)];
        foreach (Part part in parts)
        {
            if (!TensorPrimitives.IsFiniteAll<float>(part.Values()))
                throw new TrainingException(optimiser.StepCount, part.Name, "expected finite values, found NaN or " +
                    $"infinity; {path} is not written");
        }

        metadata[HashKey] = HashOf(metadata, steps, parts.Select(part => (part.Name, part.Values)));
        List<TensorToWrite> tensors =
            [TensorToWrite.FromBytes(StepsName, TensorType.I64, [steps.Length], MemoryMarshal.AsBytes(steps.AsSpan())
                .ToArray())];
        foreach (Part part in parts)
            tensors.Add(new TensorToWrite(part.Name, TensorType.F32, part.Shape,
                (first, destination) => part.Values().Slice((int)first, destination.Length).CopyTo(destination)));
        SafetensorsWriter.Write(path, tensors, metadata, cancellationToken);
    }

    /// <summary>Reads the file. Nothing changes unless all of it fits.</summary>
    /// <exception cref="InvalidDataException">It does not fit.</exception>
    public static void Read(string path, AdamW optimiser, WeightAverage? average,
        IReadOnlyDictionary<string, string> options, long stepCount)
    {
        using SafetensorsCheckpoint file = SafetensorsCheckpoint.Open(path);
        if (file.Metadata.GetValueOrDefault(FormatKey) != Format)
            throw Problem(path, $"expected a checkpoint of a training run, with the {FormatKey} '{Format}', " +
                $"found {Quote(file.Metadata.GetValueOrDefault(FormatKey))}");
        CompareOptions(path, file.Metadata, options);
        CompareFrozen(path, file.Metadata, FrozenNames(optimiser));
        long step = Number(path, file.Metadata, StepKey, stepCount);
        long updates = Number(path, file.Metadata, UpdatesKey, average is null ? 0 : step);
        Part[] parts = [.. Parts(optimiser, average)];
        CompareNames(path, file, parts);
        long[] steps = ReadSteps(path, file, optimiser.States.Count, step);
        float[][] values = [.. parts.Select(part => ReadPart(path, file, part))];
        string expected = HashOf(file.Metadata, steps, parts.Zip(values, (part, read)
            => (part.Name, (ValuesOf)(() => read))));
        if (file.Metadata.GetValueOrDefault(HashKey) != expected)
            throw Problem(path, $"the content is damaged: expected the {HashKey} {expected} in the metadata, found " +
                Quote(file.Metadata.GetValueOrDefault(HashKey)));
        foreach ((Part part, float[] read) in parts.Zip(values))
            read.CopyTo(part.Values());
        foreach ((AdamW.State state, long count) in optimiser.States.Zip(steps))
            state.StepCount = count;
        optimiser.StepCount = step;
        average?.UpdateCount = updates;
    }

    private static IEnumerable<Part> Parts(AdamW optimiser, WeightAverage? average)
    {
        foreach ((int index, AdamW.State state) in optimiser.States.Index())
        {
            TrainableTensor tensor = state.Tensor;
            long[] shape = [.. tensor.Shape.Select(extent => (long)extent)];
            yield return new Part($"weight/{tensor.Name}", shape, () => tensor.Values);
            yield return new Part($"first/{tensor.Name}", shape, () => state.FirstMoment);
            yield return new Part($"second/{tensor.Name}", shape, () => state.SecondMoment, IsPositive: true);
            if (average is not null)
                yield return new Part($"average/{tensor.Name}", shape, () => average.AverageOf(index));
        }
    }

    private static IEnumerable<string> FrozenNames(AdamW optimiser)
        => optimiser.Tensors.Where(tensor => tensor.IsFrozen).Select(tensor => tensor.Name);

    /// <summary>The hash of the numbers of steps and of the names and values of all tensors.</summary>
    private static string HashOf(IReadOnlyDictionary<string, string> metadata, long[] steps,
        IEnumerable<(string Name, ValuesOf Values)> parts)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{metadata[StepKey]}{Separator}{metadata[UpdatesKey]}{Separator}"));
        hash.AppendData(MemoryMarshal.AsBytes(steps.AsSpan()));
        foreach ((string name, ValuesOf values) in parts)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name}{Separator}"));
            hash.AppendData(MemoryMarshal.AsBytes(values()));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void CompareFrozen(string path, IReadOnlyDictionary<string, string> metadata,
        IEnumerable<string> frozen)
    {
        HashSet<string> now = [.. frozen];
        HashSet<string> earlier = [.. metadata.GetValueOrDefault(FrozenKey, "").Split(Separator,
            StringSplitOptions.RemoveEmptyEntries)];
        string[] differences = [.. now.Except(earlier).Concat(earlier.Except(now)).Order(StringComparer.Ordinal)];
        if (differences.Length > 0)
            throw Problem(path, $"the run was started with other frozen tensors: '{differences[0]}' " +
                $"{(now.Contains(differences[0]) ? "not frozen, now frozen" : "frozen, now not")} (one of " +
                $"{differences.Length}); resume with the same, or start a new run from the weights");
    }

    private static void CompareOptions(string path, IReadOnlyDictionary<string, string> metadata,
        IReadOnlyDictionary<string, string> options)
    {
        Dictionary<string, string> earlier = metadata
            .Where(entry => entry.Key.StartsWith(OptionPrefix, StringComparison.Ordinal))
            .ToDictionary(entry => entry.Key[OptionPrefix.Length..], entry => entry.Value);
        string[] differences = [.. options.Keys.Union(earlier.Keys).Order(StringComparer.Ordinal)
            .Select(name => (Name: name, Earlier: earlier.GetValueOrDefault(name),
                Now: options.GetValueOrDefault(name)))
            .Where(option => option.Earlier != option.Now)
            .Select(option => $"{option.Name} {option.Earlier ?? "absent from the checkpoint"}, now " +
                (option.Now ?? "absent from the options"))];
        if (differences.Length > 0)
            throw Problem(path, $"the run was started with other options: {string.Join("; ", differences)}; " +
                "resume with the same options, or start a new run from the weights");
    }

    private static long Number(string path, IReadOnlyDictionary<string, string> metadata, string key, long max)
    {
        string? text = metadata.GetValueOrDefault(key);
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value <= max
            ? value
            : throw Problem(path, $"metadata '{key}': expected a whole number from 0 to {max}, found {Quote(text)}");
    }

    private static void CompareNames(string path, SafetensorsCheckpoint file, Part[] parts)
    {
        HashSet<string> expected = [.. parts.Select(part => part.Name), StepsName];
        string[] missing = [.. expected.Where(name => file.Find(name) is null)];
        string[] surplus = [.. file.Tensors.Select(tensor => tensor.Name).Where(name => !expected.Contains(name))];
        if (missing.Length + surplus.Length > 0)
            throw Problem(path, missing.Length > 0
                ? $"expected the tensors of this model, found none named '{missing[0]}' (one of {missing.Length})"
                : $"expected the tensors of this model only, found '{surplus[0]}' (one of {surplus.Length})");
    }

    private static long[] ReadSteps(string path, SafetensorsCheckpoint file, int count, long step)
    {
        TensorInfo info = file.Find(StepsName)!;
        if (info.Type != TensorType.I64 || info.Shape.Count != 1 || info.Shape[0] != count)
            throw Problem(path, $"tensor '{StepsName}': expected I64 [{count}], found {Describe(info)}");
        long[] steps = new long[count];
        file.ReadBytes(info, 0, MemoryMarshal.AsBytes(steps.AsSpan()));
        foreach (long found in steps)
        {
            if (found < 0 || found > step)
                throw Problem(path, $"tensor '{StepsName}': expected numbers from 0 to the step {step}, found {found}");
        }

        return steps;
    }

    private static float[] ReadPart(string path, SafetensorsCheckpoint file, Part part)
    {
        TensorInfo info = file.Find(part.Name)!;
        if (info.Type != TensorType.F32 || !info.Shape.SequenceEqual(part.Shape))
            throw Problem(path, $"tensor '{part.Name}': expected F32 [{string.Join(", ", part.Shape)}], found " +
                Describe(info));
        float[] values = new float[info.ElementCount];
        file.Read(info, 0, values.AsSpan());
        if (!TensorPrimitives.IsFiniteAll<float>(values))
            throw Problem(path, $"tensor '{part.Name}': expected finite values, found NaN or infinity");
        if (part.IsPositive && TensorPrimitives.Min<float>(values) < 0)
            throw Problem(path, $"tensor '{part.Name}': expected squares of at least 0, found a negative value");
        return values;
    }

    private static string Describe(TensorInfo info) => $"{info.Type} [{string.Join(", ", info.Shape)}]";

    private static string Quote(string? value) => value is null ? "nothing" : $"'{value}'";

    private static InvalidDataException Problem(string path, string problem) => new($"{path}: {problem}");

    private delegate Span<float> ValuesOf();

    /// <summary>Values that are stored as one tensor.</summary>
    private sealed record Part(string Name, long[] Shape, ValuesOf Values, bool IsPositive = false);
}
