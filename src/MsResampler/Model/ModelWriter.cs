using MsResampler.Files;
using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>Writes an opened model, whatever its layout, as a folder with <c>config.json</c> and
/// <c>model.safetensors</c> under the names of this project.</summary>
/// <remarks>Weights are copied in blocks and never held as a whole. At any time, also after the process was killed, the
/// folder contains the previous model, the new model, or weights without a <c>config.json</c>. If several processes
/// write to one folder, the last one wins.</remarks>
public static class ModelWriter
{
    // The gate of a model with new scopes.
    private const ulong GateSeed = 0;
    private const string GateInput = "gate.fc1.weight";

    /// <summary>Writes a model.</summary>
    /// <param name="folder">The folder; created if it does not exist. It must not be that of the model.</param>
    /// <param name="model">The open model.</param>
    /// <param name="type">The element type of every tensor; null to keep each as it is, integers with their scales.
    /// Values are rounded to nearest even; those that the type holds stay exact, so that the tokens have the same
    /// bits.</param>
    /// <param name="cancellationToken">Cancels the call; no partial file remains.</param>
    /// <exception cref="ArgumentException">The folder is that of the model.</exception>
    /// <exception cref="InvalidModelException">A value is outside the range of the type; the exception names tensor,
    /// value and place.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    /// <exception cref="SafetensorsException">The checkpoint has become shorter since it was opened.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to the folder or a file is denied.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    public static void Write(string folder, ResamplerModel model, WeightType? type = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        Write(folder, model, model.Config, type, integerLayers: null, cancellationToken);
    }

    /// <summary>Writes a model whose matrices are stored as the integers that <see cref="Precision.Int8"/> multiplies
    /// by, with one scale per row: I8 or I16 tensors <c>X.weight</c> and F32 tensors <c>X.weight_scale</c>. Loaded with
    /// <see cref="Precision.Int8"/> and the same layers, its tokens are those of the model itself; for every other use
    /// a weight is the product of its integer and its scale.</summary>
    /// <remarks>The weights of <c>q_proj</c> and <c>gate.fc2</c>, matrices of more than 65,536 columns, vectors,
    /// queries and positions keep their type. So do matrices with outlier channels, whose weights or layer norm are
    /// more than 8 times the median: they are rounded to integers after a division by factors of the channels, when the
    /// model is loaded. Integers of the model are kept unless a layer changes from 16 bits to 8.</remarks>
    /// <param name="folder">The folder; created if it does not exist. It must not be that of the model.</param>
    /// <param name="model">The open model.</param>
    /// <param name="int8Layers">The layers with 8-bit weights; the others have 16 bits.</param>
    /// <param name="cancellationToken">Cancels the call; no partial file remains.</param>
    /// <exception cref="ArgumentException"><paramref name="int8Layers"/> has a flag that <see cref="ModelLayers"/> does
    /// not define, or the folder is that of the model.</exception>
    /// <inheritdoc cref="Write(string, ResamplerModel, WeightType?, CancellationToken)" path="/exception"/>
    public static void WriteIntegers(string folder, ResamplerModel model, ModelLayers int8Layers,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        if ((int8Layers & ~ModelLayers.All) != 0)
            throw new ArgumentException($"Expected flags of {nameof(ModelLayers)}, found {int8Layers}.",
                nameof(int8Layers));
        Write(folder, model, model.Config, type: null, int8Layers, cancellationToken);
    }

    /// <summary>Writes a model with other scopes, as a start for training: every scope receives the queries and the
    /// attention of the model's only scope, and the gate gives every scope the same weight.</summary>
    /// <remarks>The first layer of the gate is random, with a fixed seed; its biases and the second layer are zero. The
    /// weights of the scopes are therefore equal for every input, while the gradient of <c>gate.fc2.weight</c> is not
    /// zero. If no scope has a window or a Gaussian, the tokens are those of the model up to rounding. A learned
    /// <c>log_sigma</c> of the model is not copied.</remarks>
    /// <param name="folder">The folder; created if it does not exist. It must not be that of the model.</param>
    /// <param name="model">The open model; it has one scope.</param>
    /// <param name="config">The configuration of the new model, such as <see cref="ScopesReader"/> reads. It differs
    /// from that of the model in scopes, gate, sharing and query grid only, and has as many queries.</param>
    /// <param name="type">The element type of every tensor; null to keep each as it is, integers with their
    /// scales.</param>
    /// <param name="cancellationToken">Cancels the call; no partial file remains.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> does not fit the model, or the folder is that of
    /// the model.</exception>
    /// <inheritdoc cref="Write(string, ResamplerModel, WeightType?, CancellationToken)" path="/exception"/>
    public static void WriteWithScopes(string folder, ResamplerModel model, ResamplerConfig config,
        WeightType? type = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(config);
        ResamplerConfig original = model.Config;
        if (original.Scopes.Count != 1)
            throw new ArgumentException($"Expected a model with one scope, found {original.Scopes.Count}.",
                nameof(model));
        if (config with
        {
            Scopes = original.Scopes,
            QueryGrid = original.QueryGrid,
            Gate = original.Gate,
            ShareQueries = original.ShareQueries,
            ShareKeyValues = original.ShareKeyValues,
            TorchDType = original.TorchDType,
        } != original)
        {
            throw new ArgumentException("Expected a configuration that differs from the model's in scopes, gate, " +
                "sharing and query grid only.", nameof(config));
        }

        if (config.Scopes.Count == 0 || config.Gate is null != (config.Scopes.Count == 1))
            throw new ArgumentException("Expected a gate for several scopes and none for one, found " +
                $"{config.Scopes.Count} scopes and {(config.Gate is null ? "no gate" : "a gate")}.", nameof(config));
        if (ScopesReader.ProblemOf(original, config.QueryGrid) is { } problem)
            throw new ArgumentException($"Expected {problem}, found {config.QueryGrid}.", nameof(config));
        Write(folder, model, config, type, integerLayers: null, cancellationToken);
    }

    /// <summary>Writes the configuration and the tensors that <see cref="Write(string, ResamplerModel, WeightType?,
    /// CancellationToken)"/> would write, one after the other.</summary>
    internal static void Write(Stream stream, ResamplerModel model, CancellationToken cancellationToken)
    {
        stream.Write(ConfigWriter.Write(model.Config));
        SafetensorsWriter.Write(stream, Tensors(model, model.Config, type: null, integerLayers: null),
            cancellationToken);
    }

    /// <summary>Whether the files of a model are in the folder.</summary>
    internal static bool IsFolderOf(string folder, ResamplerModel model)
        => !model.IsInMemory && AtomicFile.Resolve(folder)
            == AtomicFile.Resolve(Path.GetDirectoryName(Path.GetFullPath(model.SourcePath))!);

    private static void Write(string folder, ResamplerModel model, ResamplerConfig config, WeightType? type,
        ModelLayers? integerLayers, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (IsFolderOf(folder, model))
            throw new ArgumentException($"{folder}: expected another folder than that of the model.", nameof(folder));
        TensorType? tensorType = type is { } given ? WeightTypes.TensorTypeOf(given) : null;
        TensorToWrite[] tensors = [.. Tensors(model, config, tensorType, integerLayers)];
        ResamplerConfig typed = config with { TorchDType = type ?? CommonType(tensors) ?? config.TorchDType };
        ModelFolder.Write(folder, ConfigWriter.Write(typed), tensors, cancellationToken);
    }

    /// <summary>The tensors of the new model.</summary>
    /// <param name="model">The open model.</param>
    /// <param name="config">The configuration of the new model.</param>
    /// <param name="type">The type of every tensor, or null.</param>
    /// <param name="integerLayers">The layers with 8-bit weights, where the others have 16; null to make no
    /// integers.</param>
    private static List<TensorToWrite> Tensors(ResamplerModel model, ResamplerConfig config, TensorType? type,
        ModelLayers? integerLayers)
    {
        ResamplerWeights weights = model.Weights;
        Smoothing smoothing = new(weights);
        // The model has these scopes, or one, from which all are made.
        bool isSame = ReferenceEquals(config.Scopes, model.Config.Scopes);
        ResamplerWeights written = isSame ? weights : weights with
        {
            Scopes = [.. Enumerable.Repeat(weights.Scopes[0] with { LogSigma = null }, config.Scopes.Count)],
        };
        List<TensorToWrite> tensors = [];
        foreach (NamedWeight weight in written.Named(config))
        {
            if (IntegersOf(weight.Weight, weight.Layer) is { } integers && !weight.IsVector)
                tensors.AddRange(IntegerCopy.Create(weight.Weight, model.SourcePath, weight.Name, integers));
            else
                tensors.Add(WeightCopy.Create(weight.Weight, model.SourcePath, weight.Name, weight.IsVector,
                    type ?? weight.Weight.Type));
        }

        if (config.Gate is not null && !isSame)
        {
            WeightTensor like = weights.Scopes[0].OutputProjection.Weight;
            tensors.AddRange(NeutralGate(config, type ?? (like.StoredIntegers is null ? like.Type : TensorType.F32)));
        }

        return tensors;

        IntegerType? IntegersOf(WeightTensor weight, ModelLayers layer)
        {
            IntegerType? integers = integerLayers is { } layers ? smoothing.StorableAs(layers, layer, weight) : null;
            return integers ?? (type is null ? weight.StoredIntegers : null);
        }
    }

    private static IEnumerable<TensorToWrite> NeutralGate(ResamplerConfig config, TensorType type)
        => RandomModel.CreateTensors(config, GateSeed, new RandomModelOptions
        {
            OmitKeyValueInput = config.VisionHiddenSize == config.HiddenSize,
        }).Where(tensor => tensor.Name.StartsWith("gate.", StringComparison.Ordinal))
            .Select(tensor => (tensor.Name == GateInput ? tensor : tensor with { ValueAt = _ => 0 }).ToWrite(type));

    /// <summary>The type of all tensors other than integers and their scales, or null if they have several.</summary>
    private static WeightType? CommonType(TensorToWrite[] tensors)
    {
        TensorType[] types = [.. tensors.Where(tensor => IntegerTypes.StoredAs(tensor.Type) is null
            && !IntegerTypes.IsScaleName(tensor.Name))
            .Select(tensor => tensor.Type).Distinct()];
        return types is [var common]
            ? Enum.GetValues<WeightType>().Single(type => WeightTypes.TensorTypeOf(type) == common) : null;
    }
}
