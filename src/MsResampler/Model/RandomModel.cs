using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>Writes models with random weights, to try the engine and to test it.</summary>
public static class RandomModel
{
    /// <summary>Writes <c>config.json</c> and <c>model.safetensors</c>. The same configuration, seed and options
    /// give the same bytes on every machine.</summary>
    /// <param name="folder">The folder to write to; created where it is missing.</param>
    /// <param name="config">The configuration that <paramref name="configJson"/> parses to.</param>
    /// <param name="configJson">The bytes of config.json, written as they are.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="options">The checkpoint's layout; F32, one tensor a weight, by default.</param>
    /// <exception cref="ArgumentException"><paramref name="options"/> does not fit the configuration.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Write(string folder, ResamplerConfig config, ReadOnlySpan<byte> configJson, ulong seed,
        RandomModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(config);
        IReadOnlyList<TensorToWrite> tensors = CreateTensors(config, seed, options ?? new());
        Directory.CreateDirectory(folder);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);
        string configPath = Path.Combine(folder, "config.json");
        string temporaryPath = configPath + ".tmp";
        File.WriteAllBytes(temporaryPath, configJson);
        File.Move(temporaryPath, configPath, overwrite: true);
    }

    internal static IReadOnlyList<TensorToWrite> CreateTensors(ResamplerConfig config, ulong seed,
        RandomModelOptions options)
    {
        int width = config.HiddenSize;
        int scopeCount = config.Scopes.Count;
        int queryCount = config.QueryGrid.QueryCount;
        if (options.UsePublishedNames && scopeCount != 1)
            throw new ArgumentException($"published names exist for one scope only, found {scopeCount}",
                nameof(options));

        Generator weights = new(seed, options);
        if (!options.OmitKeyValueInput)
            weights.AddMatrix("kv_proj.weight", width, config.VisionHiddenSize);
        else if (config.VisionHiddenSize != width)
            throw new ArgumentException($"kv_proj can be left out only where vision_hidden_size " +
                $"({config.VisionHiddenSize}) equals hidden_size ({width})", nameof(options));
        weights.AddNorm("ln_kv", width);
        weights.AddNorm("ln_q", width);
        weights.AddNorm("ln_post", width);
        if (config.PositionEmbedding.Type == PositionEmbeddingType.Stored)
            weights.AddQueries("pos_embed", queryCount, width);
        if (config.ShareQueries)
            weights.AddQueries("query", queryCount, width);
        for (int scope = 0; scope < scopeCount; scope++)
        {
            if (!config.ShareQueries)
                weights.AddQueries($"scopes.{scope}.query", queryCount, width);
            weights.AddAttention($"scopes.{scope}.attn", width, hasKeyValues: scope == 0 || !config.ShareKeyValues);
        }
        foreach (int scope in options.LearnedSigmaScopes)
        {
            if (config.Scopes[scope].Prior != ScopePrior.Gaussian)
                throw new ArgumentException($"scope {scope} cannot learn a sigma: its prior is " +
                    $"{config.Scopes[scope].Prior}, expected {ScopePrior.Gaussian}", nameof(options));
            weights.AddLogSigma($"scopes.{scope}.log_sigma", config.AttentionHeadCount, config.Scopes[scope].Units);
        }
        if (config.Gate is { } gate)
        {
            weights.AddLinear("gate.fc1", gate.HiddenSize, scopeCount * width);
            weights.AddLinear("gate.fc2", scopeCount * config.GateGroupCount, gate.HiddenSize);
        }
        weights.AddProjection(config.OutputSize, width);
        return weights.Tensors;
    }

    private sealed class Generator(ulong seed, RandomModelOptions options)
    {
        // Biases matter less than weights in a trained model, but a dropped one must show.
        private const double BiasDeviation = 0.1;
        private const double NormWeightDeviation = 0.1;

        private readonly List<TensorToWrite> _tensors = [];

        public IReadOnlyList<TensorToWrite> Tensors => _tensors;

        public void AddMatrix(string name, int outputSize, int inputSize)
            => Add(name, [outputSize, inputSize], Matrix(name, outputSize, inputSize));

        public void AddLinear(string name, int outputSize, int inputSize)
        {
            AddMatrix($"{name}.weight", outputSize, inputSize);
            AddBias($"{name}.bias", outputSize);
        }

        public void AddNorm(string name, int width)
        {
            Add($"{name}.weight", [width], Values($"{name}.weight", width, NormWeightDeviation, mean: 1));
            AddBias($"{name}.bias", width);
        }

        public void AddProjection(int outputSize, int width)
        {
            float[] weight = Matrix("proj.weight", outputSize, width);
            if (options.UsePublishedNames)
                Add("proj", [width, outputSize], Transpose(weight, outputSize, width));
            else
                Add("proj.weight", [outputSize, width], weight);
            if (options.HasProjectionBias)
                AddBias("proj.bias", outputSize);
        }

        public void AddQueries(string name, int queryCount, int width)
            => Add(name, [queryCount, width], Values(name, queryCount * (long)width, deviation: 1));

        public void AddAttention(string name, int width, bool hasKeyValues)
        {
            if (options.StackInputProjections && hasKeyValues)
            {
                string[] parts = ["q_proj", "k_proj", "v_proj"];
                Add($"{name}.in_proj_weight", [3L * width, width],
                    [.. parts.SelectMany(part => Matrix($"{name}.{part}.weight", width, width))]);
                Add($"{name}.in_proj_bias", [3L * width],
                    [.. parts.SelectMany(part => Values($"{name}.{part}.bias", width, BiasDeviation))]);
            }
            else
            {
                AddLinear($"{name}.q_proj", width, width);
                if (hasKeyValues)
                {
                    AddLinear($"{name}.k_proj", width, width);
                    AddLinear($"{name}.v_proj", width, width);
                }
            }
            AddLinear($"{name}.out_proj", width, width);
        }

        // Around 2.7 patches, or around a quarter of the grid.
        public void AddLogSigma(string name, int headCount, ScopeUnits units) => Add(name, [headCount, 2],
            Values(name, headCount * 2L, deviation: 0.4, mean: units == ScopeUnits.Fraction ? -1.4 : 1));

        private void AddBias(string name, int size) => Add(name, [size], Values(name, size, BiasDeviation));

        private void Add(string name, long[] shape, float[] values)
        {
            string storedName = options.UsePublishedNames ? name.Replace("scopes.0.attn.", "attn.") : name;
            _tensors.Add(new TensorToWrite(options.Prefix + storedName, options.Type, shape, values));
        }

        private float[] Matrix(string name, int outputSize, int inputSize)
            => Values(name, outputSize * (long)inputSize, 1 / Math.Sqrt(inputSize));

        // A sum of four uniform 16-bit integers is near enough to a normal distribution and, unlike logarithm and
        // cosine, exact on every machine; its standard deviation is 65536/√3 (to 1 part in 10⁹).
        private float[] Values(string name, long count, double deviation, double mean = 0)
        {
            const double Centre = 4 * 65535 / 2.0;
            double scale = deviation * Math.Sqrt(3) / 65536;
            ulong state = seed;
            state = NextSplitMix64(ref state) ^ Hash(name);
            float[] values = new float[count];
            for (long index = 0; index < count; index++)
            {
                ulong bits = NextSplitMix64(ref state);
                ulong sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
                values[index] = (float)(mean + ((sum - Centre) * scale));
            }
            return values;
        }

        private static float[] Transpose(float[] matrix, int rowCount, int columnCount)
        {
            float[] result = new float[matrix.Length];
            for (int row = 0; row < rowCount; row++)
                for (int column = 0; column < columnCount; column++)
                    result[(column * rowCount) + row] = matrix[(row * columnCount) + column];
            return result;
        }

        // Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
        private static ulong NextSplitMix64(ref ulong state)
        {
            state += 0x9E3779B97F4A7C15;
            ulong mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
            return mixed ^ (mixed >> 31);
        }

        // FNV-1a.
        private static ulong Hash(string name)
        {
            ulong hash = 0xCBF29CE484222325;
            foreach (char character in name)
                hash = (hash ^ character) * 0x100000001B3;
            return hash;
        }
    }
}
