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
    /// <param name="type">The element type of every tensor; null to keep each as it is. Values are rounded to nearest
    /// even; those that the type holds stay exact, so that the tokens have the same bits.</param>
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
        Write(folder, model, model.Config, type, cancellationToken);
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
    /// <param name="type">The element type of every tensor; null to keep each as it is.</param>
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
        Write(folder, model, config, type, cancellationToken);
    }

    /// <summary>Whether the files of a model are in the folder.</summary>
    internal static bool IsFolderOf(string folder, ResamplerModel model) => AtomicFile.Resolve(folder)
        == AtomicFile.Resolve(Path.GetDirectoryName(Path.GetFullPath(model.SourcePath))!);

    private static void Write(string folder, ResamplerModel model, ResamplerConfig config, WeightType? type,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (IsFolderOf(folder, model))
            throw new ArgumentException($"{folder}: expected another folder than that of the model.", nameof(folder));
        TensorType? tensorType = type is { } given ? WeightTypes.TensorTypeOf(given) : null;
        TensorToWrite[] tensors = [.. Tensors(model, config, tensorType)];
        ResamplerConfig typed = config with { TorchDType = type ?? CommonType(tensors) ?? config.TorchDType };
        ModelFolder.Write(folder, ConfigWriter.Write(typed), tensors, cancellationToken);
    }

    private static IEnumerable<TensorToWrite> Tensors(ResamplerModel model, ResamplerConfig config, TensorType? type)
    {
        ResamplerWeights weights = model.Weights;
        if (weights.KeyValueInput is { } input)
            yield return Matrix("kv_proj.weight", input);
        foreach ((string name, NormWeights norm) in new[]
        {
            ("ln_kv", weights.KeyValueNorm), ("ln_q", weights.QueryNorm), ("ln_post", weights.PostNorm),
        })
        {
            yield return Vector($"{name}.weight", norm.Weight);
            yield return Vector($"{name}.bias", norm.Bias);
        }

        if (weights.PositionTable is { } positions)
            yield return Matrix("pos_embed", positions);
        if (config.ShareQueries)
            yield return Matrix("query", weights.Scopes[0].Queries);
        // The model has these scopes, or one, from which all are made.
        bool isSame = ReferenceEquals(config.Scopes, model.Config.Scopes);
        for (int scope = 0; scope < config.Scopes.Count; scope++)
        {
            ScopeWeights from = weights.Scopes[isSame ? scope : 0];
            if (!config.ShareQueries)
                yield return Matrix($"scopes.{scope}.query", from.Queries);
            bool hasKeyValues = scope == 0 || !config.ShareKeyValues;
            (string Name, LinearWeights Linear)[] projections =
            [
                ("q_proj", from.QueryProjection),
                .. hasKeyValues ? [("k_proj", from.KeyProjection), ("v_proj", from.ValueProjection)]
                    : Array.Empty<(string, LinearWeights)>(),
                ("out_proj", from.OutputProjection),
            ];
            foreach ((string name, LinearWeights linear) in projections)
                foreach (TensorToWrite tensor in Linear($"scopes.{scope}.attn.{name}", linear))
                    yield return tensor;
            if (isSame && from.LogSigma is { } logSigma)
                yield return Matrix($"scopes.{scope}.log_sigma", logSigma);
        }

        if (config.Gate is not null)
        {
            foreach (TensorToWrite tensor in isSame
                ? Linear("gate.fc1", weights.Gate!.Hidden).Concat(Linear("gate.fc2", weights.Gate.Output))
                : NeutralGate(config, type ?? weights.Scopes[0].OutputProjection.Weight.Type))
                yield return tensor;
        }

        foreach (TensorToWrite tensor in Linear("proj", weights.Projection))
            yield return tensor;

        TensorToWrite Matrix(string name, WeightTensor weight) => Copy(name, weight, isVector: false);

        TensorToWrite Vector(string name, WeightTensor weight) => Copy(name, weight, isVector: true);

        TensorToWrite Copy(string name, WeightTensor weight, bool isVector)
            => WeightCopy.Create(weight, model.SourcePath, name, isVector, type ?? weight.Type);

        IEnumerable<TensorToWrite> Linear(string name, LinearWeights linear)
        {
            yield return Matrix($"{name}.weight", linear.Weight);
            if (linear.Bias is { } bias)
                yield return Vector($"{name}.bias", bias);
        }
    }

    private static IEnumerable<TensorToWrite> NeutralGate(ResamplerConfig config, TensorType type)
        => RandomModel.CreateTensors(config, GateSeed, new RandomModelOptions
        {
            OmitKeyValueInput = config.VisionHiddenSize == config.HiddenSize,
        }).Where(tensor => tensor.Name.StartsWith("gate.", StringComparison.Ordinal))
            .Select(tensor => (tensor.Name == GateInput ? tensor : tensor with { ValueAt = _ => 0 }).ToWrite(type));

    /// <summary>The type of all tensors, or null if they have several.</summary>
    private static WeightType? CommonType(TensorToWrite[] tensors)
        => tensors.All(tensor => tensor.Type == tensors[0].Type)
            ? Enum.GetValues<WeightType>().Single(type => WeightTypes.TensorTypeOf(type) == tensors[0].Type) : null;
}
