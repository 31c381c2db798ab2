using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using MsResampler.Onnx;
using MsResampler.Onnx.Proto;

namespace MsResampler.Tests.Onnx;

/// <summary>The exported file: its declarations, and the inputs that it rejects.</summary>
public class OnnxGraphTests
{
    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Window(2, 2) with { Name = "local" },
        Configs.Window(99, 99) with { Name = "wide" }, Configs.Gaussian(1e-6, 1e-6) with { Name = "point" }) with
    {
        HiddenSize = 8,
        AttentionHeadCount = 2,
        OutputSize = 5,
        Gate = new GateConfig(4, GateGranularity.Token),
    };

    private static ModelProto Export(PatchGrid grid)
    {
        using TestModel model = new(s_config);
        return Export(model.Model, grid);
    }

    private static ModelProto Export(ResamplerModel model, PatchGrid grid)
    {
        using MemoryStream stream = new();
        OnnxExporter.Write(model, grid, stream);
        return ModelProto.Parser.ParseFrom(stream.ToArray());
    }

    private static float[] Floats(TensorProto tensor)
        => MemoryMarshal.Cast<byte, float>(tensor.RawData.Span).ToArray();

    /// <summary>The values that the exported graph adds to the logits of a scope, [heads, M, N].</summary>
    public static float[] Prior(ResamplerModel model, PatchGrid grid, int scope)
        => Floats(Export(model, grid).Graph.Initializer.Single(tensor => tensor.Name == $"scopes.{scope}.prior"));

    [Test]
    public void Only_standard_operators_are_used()
    {
        ModelProto model = Export(new PatchGrid(4, 5));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.OpsetImport.Select(set => (set.Domain, set.Version)),
                Is.EqualTo(new[] { ("", 17L) }));
            Assert.That(model.Graph.Node.Select(node => node.OpType).Distinct(), Is.SubsetOf(new[]
            {
                "Add", "Concat", "Div", "Erf", "LayerNormalization", "MatMul", "Mul", "ReduceMean", "ReduceSum",
                "Reshape", "Softmax", "Sub", "Transpose",
            }));
        }
    }

    [Test]
    public void Input_and_output_have_a_dynamic_batch_and_fixed_extents()
    {
        ModelProto model = Export(new PatchGrid(4, 5));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Extents(model.Graph.Input.Single()), Is.EqualTo("features [batch, 4, 5, 12]"));
            Assert.That(Extents(model.Graph.Output.Single()), Is.EqualTo("tokens [batch, 6, 5]"));
        }

        static string Extents(ValueInfoProto value)
        {
            IEnumerable<string> extents = value.Type.TensorType.Shape.Dim.Select(dim =>
                dim.HasDimParam ? dim.DimParam : $"{dim.DimValue}");
            return $"{value.Name} [{string.Join(", ", extents)}]";
        }
    }

    /// <summary>The same number of patches in another grid is a different image.</summary>
    [TestCase(4, 4, 5)]
    [TestCase(5, 4, 4)]
    [TestCase(2, 10, 4)]
    [TestCase(1, 20, 4)]
    public void An_image_of_another_grid_is_rejected(int rows, int columns, int exportedRows)
    {
        PatchGrid exported = new(exportedRows, 20 / exportedRows);
        using TestModel model = new(s_config);
        using OnnxRun graph = OnnxRun.Of(model.Model, exported);
        Assert.That(() => graph.Tokens(new float[rows * columns * 12], 1, new PatchGrid(rows, columns), 12),
            Throws.InstanceOf<OnnxRuntimeException>());
        Assert.That(() => graph.Tokens(new float[20 * 12], 1, exported, 12), Throws.Nothing);
    }

    /// <summary>Converters to float16 and quantisers turn an infinity into NaN.</summary>
    [Test]
    public void Every_constant_is_finite()
    {
        TensorProto[] constants = [.. Export(new PatchGrid(4, 5)).Graph.Initializer.Where(tensor =>
            tensor.DataType == (int)TensorProto.Types.DataType.Float)];
        Assert.That(constants, Is.Not.Empty);
        foreach (TensorProto constant in constants)
            Assert.That(Floats(constant), Is.All.Matches<float>(float.IsFinite), constant.Name);
        Assert.That(Floats(constants.Single(tensor => tensor.Name == "scopes.0.prior")),
            Has.Member(float.MinValue).And.Member(0f));
    }

    [Test]
    public void A_scope_without_window_and_Gaussian_needs_no_mask()
        => Assert.That(Export(new PatchGrid(4, 5)).Graph.Initializer.Select(tensor => tensor.Name)
            .Where(name => name.EndsWith(".prior", StringComparison.Ordinal)),
            Is.EqualTo(new[] { "scopes.0.prior", "scopes.2.prior" }));

    [Test]
    public void A_sigma_that_leaves_one_patch_stays_finite()
    {
        PatchGrid grid = new(4, 5);
        using TestModel model = new(s_config);
        float[] features = model.RandomFeatures(grid, seed: 1);
        using OnnxRun graph = OnnxRun.Of(model.Model, grid);
        Assert.That(Tolerances.RelativeError(graph.Tokens(features, 1, grid, s_config.VisionHiddenSize),
            model.Reference.Resample(features, grid)), Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
    }

    /// <summary>Without kv_proj the graph receives rows that are far from 0. The part of a feature that float32
    /// represents is normalised as in double precision, and so is a constant row.</summary>
    [TestCase(1, 100)]
    [TestCase(1, 1000)]
    [TestCase(1, 1e5)]
    [TestCase(0, 1.1)]
    [TestCase(0, 33.3)]
    [TestCase(0, 1000.1)]
    public void Rows_far_from_zero_are_normalised(double deviation, double offset)
    {
        PatchGrid grid = new(4, 5);
        ResamplerConfig config = s_config with { VisionHiddenSize = 64, HiddenSize = 64, OutputSize = 24 };
        using TestModel model = new(config, new() { OmitKeyValueInput = true });
        float[] features = [.. model.RandomFeatures(grid, seed: 1).Select(value
            => (float)((deviation * value) + offset))];
        using OnnxRun graph = OnnxRun.Of(model.Model, grid);

        Assert.That(Tolerances.RelativeError(graph.Tokens(features, 1, grid, 64),
            model.Reference.Resample(features, grid)), Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
    }

    /// <summary>Queries so small that ε is as large as their variance.</summary>
    [Test]
    public void Small_queries_are_normalised_with_epsilon()
    {
        PatchGrid grid = new(4, 5);
        using TestModel model = new(s_config, edit: tensor => tensor.Name == "query"
            ? tensor with { ValueAt = index => tensor.ValueAt(index) * 1e-3f } : tensor);
        float[] features = model.RandomFeatures(grid, seed: 1);
        using OnnxRun graph = OnnxRun.Of(model.Model, grid);

        Assert.That(Tolerances.RelativeError(graph.Tokens(features, 1, grid, s_config.VisionHiddenSize),
            model.Reference.Resample(features, grid)), Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
    }

    /// <summary>Biases of the branches that the final normalisation removes. Those of scope 1 differ, so that heads
    /// with different gate weights differ as much.</summary>
    [Test]
    public void Biases_far_from_zero_are_normalised([Values(10, -1000)] float bias, [Values] bool hasInput,
        [Values(null, GateGranularity.Token, GateGranularity.Head)] GateGranularity? granularity)
    {
        PatchGrid grid = new(4, 5);
        ResamplerConfig config = s_config with
        {
            VisionHiddenSize = 64,
            HiddenSize = 64,
            OutputSize = 24,
            Scopes = granularity is null ? [s_config.Scopes[0]] : s_config.Scopes,
            Gate = granularity is { } given ? new GateConfig(4, given) : null,
        };
        using TestModel model = new(config, new() { OmitKeyValueInput = !hasInput }, edit: tensor =>
            tensor.Name.EndsWith("attn.out_proj.bias", StringComparison.Ordinal)
                ? tensor with { ValueAt = _ => tensor.Name.Contains(".1.", StringComparison.Ordinal) ? 2 * bias : bias }
                : tensor);
        float[] features = model.RandomFeatures(grid, seed: 1);
        using OnnxRun graph = OnnxRun.Of(model.Model, grid);

        Assert.That(Tolerances.RelativeError(graph.Tokens(features, 1, grid, 64),
            model.Reference.Resample(features, grid)), Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
    }

    [Test]
    public void An_empty_grid_is_rejected([Values] bool hasNoRows)
    {
        using TestModel model = new(s_config);
        PatchGrid grid = hasNoRows ? new PatchGrid(0, 3) : new PatchGrid(3, 0);
        Assert.That(() => OnnxExporter.Write(model.Model, grid, Stream.Null),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("grid"));
    }
}
