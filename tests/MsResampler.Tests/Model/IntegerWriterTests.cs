using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Models that are written with integers for weights.</summary>
internal sealed class IntegerWriterTests : TemporaryFolderFixture
{
    private const ModelLayers Layers = ModelLayers.KeyValueInput | ModelLayers.Keys | ModelLayers.Projection;

    [Test]
    public void Integers_and_scales_are_those_of_quantising_when_loading([Range(0, 39)] int index)
    {
        // The layouts include stacked and transposed matrices and every element type.
        RandomCase random = new(index);
        ModelLayers layers = (ModelLayers)(index * 11 % ((int)ModelLayers.All + 1));
        using TestModel original = new(random.Config, random.Options, seed: (ulong)index);
        ModelWriter.WriteIntegers(Folder.Path, original.Model, layers);
        using ResamplerModel written = ResamplerModel.Open(Folder.Path);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(written.Warnings, Is.Empty);
            foreach (((string name, ModelLayers layer, WeightTensor before), (_, _, WeightTensor after)) in
                IntegerModels.Matrices(original.Model.Weights).Zip(IntegerModels.Matrices(written.Weights)))
            {
                if (layer == ModelLayers.None)
                {
                    Assert.That(after.Type, Is.EqualTo(random.Options.Type), name);
                    continue;
                }

                IntegerType type = layers.HasFlag(layer) ? IntegerType.Int8 : IntegerType.Int16;
                Assert.That(after.Type, Is.EqualTo(type.TensorTypeOf()), name);
                AssertQuantised(before, after, type, name);
            }
        }
    }

    [Test]
    public void Everything_else_keeps_its_values([Values] WeightType type)
    {
        ResamplerConfig config = Configs.Mixed with
        {
            PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.None),
        };
        using TestModel original = new(config, new RandomModelOptions { Type = WeightTypes.TensorTypeOf(type) });
        ModelWriter.WriteIntegers(Folder.Path, original.Model, Layers);
        using ResamplerModel written = ResamplerModel.Open(Folder.Path);
        SafetensorsCheckpoint before = original.Model.Checkpoint!;
        SafetensorsCheckpoint after = written.Checkpoint!;
        string[] scales = [.. after.Tensors.Where(tensor => tensor.Name.EndsWith("_scale", StringComparison.Ordinal))
            .Select(tensor => tensor.Name)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(scales, Has.Length.EqualTo(3 + (3 * config.Scopes.Count)));
            Assert.That(after.Tensors.Select(tensor => tensor.Name).Except(scales),
                Is.EqualTo(before.Tensors.Select(tensor => tensor.Name)));
            foreach (TensorInfo tensor in before.Tensors.Where(tensor => !scales.Contains(tensor.Name + "_scale")))
                Assert.That(Bytes(after, after.Find(tensor.Name)!), Is.EqualTo(Bytes(before, tensor)), tensor.Name);
            Assert.That(written.Config, Is.EqualTo(original.Model.Config with
            {
                Scopes = written.Config.Scopes,
                TorchDType = type,
            }), "the type in the configuration is that of the floats");
        }

        static byte[] Bytes(SafetensorsCheckpoint checkpoint, TensorInfo tensor)
        {
            byte[] bytes = new byte[tensor.ByteCount];
            checkpoint.ReadBytes(tensor, 0, bytes);
            return bytes;
        }
    }

    [Test]
    public void Integers_are_copied_as_they_are([Values] bool nameLayers)
    {
        using TestModel original = new(Configs.Mixed);
        ModelWriter.WriteIntegers(Folder.File("first"), original.Model, Layers);
        using ResamplerModel first = ResamplerModel.Open(Folder.File("first"));
        if (nameLayers)
            ModelWriter.WriteIntegers(Folder.File("second"), first, Layers);
        else
            ModelWriter.Write(Folder.File("second"), first);
        foreach (string name in new[] { "model.safetensors", "config.json" })
            Assert.That(File.ReadAllBytes(Folder.File($"second/{name}")),
                Is.EqualTo(File.ReadAllBytes(Folder.File($"first/{name}"))), name);
    }

    [Test]
    public void Eight_bits_stay_exact_in_a_layer_of_sixteen_and_sixteen_are_rounded_to_eight()
    {
        using TestModel original = new(Configs.Mixed);
        ModelWriter.WriteIntegers(Folder.File("bytes"), original.Model, ModelLayers.All);
        using ResamplerModel bytes = ResamplerModel.Open(Folder.File("bytes"));
        ModelWriter.WriteIntegers(Folder.File("shorts"), bytes, ModelLayers.None);
        using ResamplerModel shorts = ResamplerModel.Open(Folder.File("shorts"));
        ModelWriter.WriteIntegers(Folder.File("again"), shorts, ModelLayers.All);
        using ResamplerModel again = ResamplerModel.Open(Folder.File("again"));
        WeightTensor[] weights = [.. new[] { bytes, shorts, again }.Select(model => model.Weights.Projection.Weight)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(weights.Select(weight => weight.Type),
                Is.EqualTo(new[] { TensorType.I8, TensorType.I16, TensorType.I8 }));
            Assert.That(weights[1].ToDouble(), Is.EqualTo(weights[0].ToDouble()));
            AssertQuantised(weights[1], weights[2], IntegerType.Int8, "rounded from 16 bits");
        }
    }

    [Test]
    public void Products_are_rounded_once_to_a_smaller_type([Values] WeightType type)
    {
        ResamplerConfig config = BoundWeights.SingleConfig;
        // Three times these scales has 25 bits and is next to a tie of bfloat16, 1 + 2^-8, or of float16, 1 + 3·2^-11.
        // Rounded to float32 first, it would become that tie, which rounds to the other side.
        float[] scales = [MathF.ScaleB(((1 << 24) + (1 << 16) + 1) / 3, -24),
            MathF.ScaleB(((1 << 24) + (3 << 13) - 1) / 3, -24), 0.7f];
        List<TensorToWrite> tensors = IntegerModels.With(config, "kv_proj.weight", TensorType.I8,
            index => (index % 12) - 5, row => scales[row % 3]);
        double[] found = BoundWeights.Open(config, tensors, model =>
        {
            ModelWriter.Write(Folder.Path, model, type);
            using ResamplerModel written = ResamplerModel.Open(Folder.Path);
            return written.Weights.KeyValueInput!.ToDouble();
        });
        Assert.That(found, Is.EqualTo(Enumerable.Range(0, found.Length).Select(index
            => Round(((index % 12) - 5) * (double)scales[index / config.VisionHiddenSize % 3]))));

        double Round(double value) => type switch
        {
            WeightType.Float64 => value,
            WeightType.Float32 => (float)value,
            WeightType.Float16 => (double)(Half)value,
            _ => Brain(value),
        };

        static double Brain(double value)
        {
            if (value == 0)
                return value;
            double unit = Math.ScaleB(1, Math.ILogB(value) - 7);
            return Math.Round(value / unit, MidpointRounding.ToEven) * unit;
        }
    }

    [Test]
    public void A_long_product_stays_in_floats()
    {
        foreach ((int columns, TensorType type) in
            new[] { (IntegerTypes.MaxInnerCount, TensorType.I8), (IntegerTypes.MaxInnerCount + 1, TensorType.F32) })
        {
            ResamplerConfig config = BoundWeights.SingleConfig with { VisionHiddenSize = columns };
            using TestModel original = new(config);
            string folder = Folder.File($"{columns}");
            ModelWriter.WriteIntegers(folder, original.Model, ModelLayers.All);
            using ResamplerModel written = ResamplerModel.Open(folder);
            Assert.That(written.Weights.KeyValueInput!.Type, Is.EqualTo(type));
        }
    }

    [TestCase("k_proj.weight")]
    [TestCase("v_proj.weight")]
    [TestCase("out_proj.weight")]
    [TestCase("kv_proj.weight")]
    [TestCase("gate.fc1.weight")]
    [TestCase("ln_kv.weight")]
    [TestCase("ln_post.weight")]
    public void Tokens_of_a_model_with_an_outlier_channel_are_those_of_the_model(string outlier)
    {
        const int Channel = 3;
        using TestModel original = new(Configs.Mixed, edit: tensor => !tensor.Name.EndsWith(outlier,
            StringComparison.Ordinal) ? tensor : tensor with
            {
                ValueAt = index => tensor.ValueAt(index) * (index % tensor.Shape[^1] == Channel ? 100 : 1),
            });
        ModelWriter.WriteIntegers(Folder.Path, original.Model, Layers);
        using ResamplerModel written = ResamplerModel.Open(Folder.Path);
        PatchGrid grid = new(3, 5);
        float[] features = original.RandomFeatures(grid, 1);
        float[][] tokens = [.. new[] { original.Model, written }.Select(model =>
        {
            using Resampler resampler = Resampler.Load(model, new ResamplerOptions
            {
                Precision = Precision.Int8,
                Int8Layers = Layers,
            });
            float[] result = new float[model.Config.QueryGrid.QueryCount * model.Config.OutputSize];
            resampler.Resample(features, [grid], result);
            return result;
        })];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens[1], Is.EqualTo(tokens[0]));
            Assert.That(written.Weights.Matrices().Where(matrix => matrix.Layer != ModelLayers.None)
                .Select(matrix => matrix.Matrix.Type), Has.Some.EqualTo(TensorType.F32)
                .And.Some.EqualTo(TensorType.I8).And.Some.EqualTo(TensorType.I16));
        }
    }

    [Test]
    public void A_row_of_zeros_has_the_scale_0()
    {
        using TestModel original = new(Configs.Mixed, edit: tensor => tensor.Name != "proj.weight" ? tensor
            : tensor with { ValueAt = index => index < 36 ? 0 : tensor.ValueAt(index) });
        ModelWriter.WriteIntegers(Folder.Path, original.Model, ModelLayers.All);
        using ResamplerModel written = ResamplerModel.Open(Folder.Path);
        short[] integers = new short[2 * 36];
        float[] scales = new float[2];
        Assert.That(written.Weights.Projection.Weight.TryReadIntegers(IntegerType.Int8, 0, integers, scales), Is.True);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(scales[0], Is.Zero);
            Assert.That(scales[1], Is.Positive);
            Assert.That(integers[..36], Is.All.Zero);
        }
    }

    [Test]
    public void A_start_for_training_may_be_made_of_integers()
    {
        using TestModel original = new(Configs.Of(Configs.None));
        ModelWriter.WriteIntegers(Folder.File("integers"), original.Model, Layers);
        using ResamplerModel integers = ResamplerModel.Open(Folder.File("integers"));
        ModelWriter.WriteWithScopes(Folder.File("scopes"), integers, integers.Config with
        {
            Scopes = [Configs.Window(2, 2), Configs.None],
            Gate = new GateConfig(5, GateGranularity.Token),
        });
        using ResamplerModel scopes = ResamplerModel.Open(Folder.File("scopes"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(scopes.Weights.Scopes[1].KeyProjection.Weight.Type, Is.EqualTo(TensorType.I8));
            Assert.That(scopes.Weights.Scopes[1].KeyProjection.Weight.ToDouble(),
                Is.EqualTo(integers.Weights.Scopes[0].KeyProjection.Weight.ToDouble()));
            Assert.That(scopes.Weights.Gate!.Hidden.Weight.Type, Is.EqualTo(TensorType.F32));
        }
    }

    [Test]
    public void Undefined_layers_are_refused()
    {
        using TestModel original = new(Configs.Mixed);
        Assert.That(() => ModelWriter.WriteIntegers(Folder.Path, original.Model, (ModelLayers)128),
            Throws.ArgumentException.With.Message.Contains("128").And.Property("ParamName").EqualTo("int8Layers"));
    }

    /// <summary>Checks that a matrix holds the integers and scales that the quantiser makes of another one.</summary>
    private static void AssertQuantised(WeightTensor before, WeightTensor after, IntegerType type, string name)
    {
        float[] weights = before.ToSingle();
        short[] expected = new short[before.Count], found = new short[before.Count];
        float[] expectedScales = new float[before.Rows], foundScales = new float[before.Rows];
        for (int row = 0; row < before.Rows; row++)
        {
            int first = row * before.Columns;
            expectedScales[row] = WeightQuantiser.Quantise(weights.AsSpan(first, before.Columns),
                type.MaxLevel(before.Columns), expected.AsSpan(first, before.Columns));
        }

        Assert.That(after.TryReadIntegers(type, 0, found, foundScales), Is.True, name);
        Assert.That(found, Is.EqualTo(expected), $"integers of {name}");
        Assert.That(foundScales.AsSpan().SequenceEqual(expectedScales), Is.True, $"scales of {name}");
    }
}
