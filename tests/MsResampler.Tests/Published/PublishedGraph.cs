using System.Runtime.InteropServices;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using MsResampler.Onnx.Proto;

namespace MsResampler.Tests.Published;

/// <summary>The computation of a published resampler as an ONNX graph in double precision, written from the published
/// code and run by ONNX Runtime. It uses nothing of the loader, the exporter and the engines; only the classes of the
/// file format are shared.</summary>
internal sealed class PublishedGraph
{
    private const int Width = PublishedCheckpoint.Width;
    private const int OperatorSetVersion = 17;
    private const int FormatVersion = 8;

    private readonly GraphProto _graph = new() { Name = "published" };
    private readonly PublishedFamily _family;
    private readonly PublishedCheckpoint _checkpoint;
    private readonly Mistake _mistake;

    private PublishedGraph(PublishedFamily family, PublishedCheckpoint checkpoint, Mistake mistake)
        => (_family, _checkpoint, _mistake) = (family, checkpoint, mistake);

    /// <summary>Computes the tokens of an image or of a group of frames, [M, L].</summary>
    /// <param name="family">The family.</param>
    /// <param name="checkpoint">The weights.</param>
    /// <param name="features">The features of all frames, [N, C].</param>
    /// <param name="grids">The grid of each frame.</param>
    /// <param name="times">The temporal id of each frame, or −1.</param>
    /// <param name="mistake">A mistake to make.</param>
    public static double[] Tokens(PublishedFamily family, PublishedCheckpoint checkpoint, float[] features,
        PatchGrid[] grids, int[] times, Mistake mistake = Mistake.None)
    {
        byte[] bytes = new PublishedGraph(family, checkpoint, mistake).Build(grids, times).ToByteArray();
        // Without fusion to LayerNormalization.
        using SessionOptions options = new()
        {
            IntraOpNumThreads = 1,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
        };
        using InferenceSession session = new(bytes, options);
        using RunOptions run = new();
        double[] values = Array.ConvertAll(features, value => (double)value);
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(values,
            [values.Length / checkpoint.ChannelCount, checkpoint.ChannelCount]);
        using IDisposableReadOnlyCollection<OrtValue> outputs = session.Run(run, ["x"], [input], ["tokens"]);
        return outputs[0].GetTensorDataAsSpan<double>().ToArray();
    }

    private ModelProto Build(PatchGrid[] grids, int[] times)
    {
        int patchCount = (int)grids.Sum(grid => grid.PatchCount);
        _graph.Input.Add(Declare("x", patchCount, _checkpoint.ChannelCount));

        // x = ln_kv(kv_proj(x)); q = ln_q(query)
        string x = _checkpoint.HasInput ? Linear("x", Weight("kv_proj.weight", Width, _checkpoint.ChannelCount)) : "x";
        x = Norm(x, "ln_kv");
        string q = Norm(Weight("query", _family.QueryCount, Width), "ln_q");
        int side = (int)Math.Sqrt(_family.QueryCount);
        if (_family.StoresQueryPositions && _mistake != Mistake.NoQueryPositions)
        {
            q = Node("Add", [q, _mistake == Mistake.QuerySinesOnGrid
                ? Constant(SinesOfQueries(side, grids[0]), _family.QueryCount, Width)
                : Weight("pos_embed", _family.QueryCount, Width)]);
        }

        // attn(query = q, key = x + pos, value = x)
        string positioned = Node("Add", [x, Node("Concat", grids.Select((grid, frame) => KeyPositions(grid,
            times[frame], side)), Integer("axis", 0))]);
        (string k, string v) = _mistake == Mistake.PositionsOnValues ? (x, positioned) : (positioned, x);
        string weight = Weight("attn.in_proj_weight", 3 * Width, Width);
        string bias = Weight("attn.in_proj_bias", 3 * Width);
        q = Heads(q, weight, bias, 0);
        k = Heads(k, weight, bias, 1);
        v = Heads(v, weight, bias, 2);
        int headSize = Width / HeadCount;
        string scores = Node("Div", [Node("MatMul", [q, Transpose(k, 0, 2, 1)]), Constant([Math.Sqrt(headSize)])]);
        string heads = _mistake != Mistake.SoftmaxPerFrame
            ? Node("MatMul", [Node("Softmax", [scores], Integer("axis", -1)), v])
            : MeanOfFrames(scores, v, grids);
        string joined = Reshape(Transpose(heads, 1, 0, 2), _family.QueryCount, Width);
        string output = Node("Add", [Linear(joined, Weight("attn.out_proj.weight", Width, Width)),
            Weight("attn.out_proj.bias", Width)]);

        // x = ln_post(x) @ proj
        string projection = Weight("proj", Width, _checkpoint.OutputSize);
        if (_mistake == Mistake.TransposedProjection)
            projection = Transpose(projection, 1, 0);
        NodeProto last = new() { OpType = "MatMul", Name = "tokens" };
        last.Input.Add([Norm(output, "ln_post"), projection]);
        last.Output.Add("tokens");
        _graph.Node.Add(last);
        _graph.Output.Add(Declare("tokens", _family.QueryCount, _checkpoint.OutputSize));
        ModelProto model = new() { IrVersion = FormatVersion, Graph = _graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = OperatorSetVersion });
        return model;
    }

    private int HeadCount => _mistake == Mistake.HeadCountOfConfig ? 4 : Width / 128;

    /// <summary>Rows part·D … (part+1)·D of the stacked projection, by head: [A, rows, d].</summary>
    private string Heads(string x, string weight, string bias, int part)
    {
        string Slice(string tensor) => Node("Slice",
            [tensor, Integers(part * Width), Integers((part + 1) * Width), Integers(0)]);
        string projected = Node("Add", [Linear(x, Slice(weight)), Slice(bias)]);
        return Transpose(Reshape(projected, -1, HeadCount, Width / HeadCount), 1, 0, 2);
    }

    private string MeanOfFrames(string scores, string values, PatchGrid[] grids)
    {
        List<string> results = [];
        int first = 0;
        foreach (PatchGrid grid in grids)
        {
            int end = first + (int)grid.PatchCount;
            string own = Node("Slice", [scores, Integers(first), Integers(end), Integers(2)]);
            results.Add(Node("MatMul", [Node("Softmax", [own], Integer("axis", -1)),
                Node("Slice", [values, Integers(first), Integers(end), Integers(1)])]));
            first = end;
        }

        return Node("Div", [results.Aggregate((sum, next) => Node("Add", [sum, next])), Constant([results.Count])]);
    }

    /// <summary>Positions of the keys of a frame, [N, D].</summary>
    private string KeyPositions(PatchGrid grid, int time, int side)
    {
        string positions = _family.StoresKeyPositions ? ResizedTable(grid, side)
            : Constant(Sines(grid.Rows, grid.Columns, row => row, column => column), grid.PatchCount, Width);
        return _family.HasTime && time >= 0 && _mistake != Mistake.NoTime
            ? Node("Add", [positions, Constant(Sine1D(Width, time), 1, Width)]) : positions;
    }

    /// <summary>The table as a picture of D channels, resized as F.interpolate(mode = "bicubic", align_corners = False)
    /// does. ONNX Runtime resizes in float32.</summary>
    private string ResizedTable(PatchGrid grid, int side)
    {
        string table = Constant(MemoryMarshal.AsBytes<float>(_checkpoint["pos_embed"]),
            TensorProto.Types.DataType.Float, 1, side, side, Width);
        string resized = Node("Resize", [Transpose(table, 0, 3, 1, 2), "", "",
            Integers(1, Width, grid.Rows, grid.Columns)], Text("mode", "cubic"),
            Text("coordinate_transformation_mode", "half_pixel"), new AttributeProto
            {
                Name = "cubic_coeff_a",
                F = -0.75f,
                Type = AttributeProto.Types.AttributeType.Float,
            });
        return Node("Cast", [Reshape(Transpose(resized, 0, 2, 3, 1), grid.PatchCount, Width)],
            Integer("to", (long)TensorProto.Types.DataType.Double));
    }

    private double[] SinesOfQueries(int side, PatchGrid grid) => Sines(side, side,
        row => ((row + 0.5) * grid.Rows / side) - 0.5, column => ((column + 0.5) * grid.Columns / side) - 0.5);

    /// <summary>get_2d_sincos_pos_embed: the first half of the channels from the column, the second from the
    /// row.</summary>
    private double[] Sines(int rowCount, int columnCount, Func<int, double> y, Func<int, double> x)
    {
        List<double> table = [];
        for (int row = 0; row < rowCount; row++)
        {
            for (int column = 0; column < columnCount; column++)
            {
                double[] fromColumn = Sine1D(Width / 2, x(column));
                double[] fromRow = Sine1D(Width / 2, y(row));
                table.AddRange(_mistake == Mistake.RowsFirst ? [.. fromRow, .. fromColumn]
                    : [.. fromColumn, .. fromRow]);
            }
        }

        return [.. table];
    }

    /// <summary>get_1d_sincos_pos_embed: sines, then cosines.</summary>
    private static double[] Sine1D(int width, double position)
    {
        double[] angles = [.. Enumerable.Range(0, width / 2)
            .Select(index => position / Math.Pow(10000, index / (width / 2.0)))];
        return [.. angles.Select(Math.Sin), .. angles.Select(Math.Cos)];
    }

    /// <summary>Layer normalisation step by step: ONNX Runtime's LayerNormalization keeps means in float32.</summary>
    private string Norm(string x, string name)
    {
        string centred = Node("Sub", [x, Mean(x)]);
        string variance = Mean(Node("Mul", [centred, centred]));
        string deviation = Node("Sqrt", [Node("Add", [variance, Constant([1e-6])])]);
        return Node("Add", [Node("Mul", [Node("Div", [centred, deviation]), Weight(name + ".weight", Width)]),
            Weight(name + ".bias", Width)]);
    }

    private string Mean(string x)
    {
        AttributeProto axes = new() { Name = "axes", Type = AttributeProto.Types.AttributeType.Ints };
        axes.Ints.Add(-1);
        return Node("ReduceMean", [x], axes);
    }

    private string Linear(string x, string weight) => Node("MatMul", [x, Transpose(weight, 1, 0)]);

    private string Weight(string name, params long[] shape)
        => Constant(Array.ConvertAll(_checkpoint[name], value => (double)value), shape);

    private string Reshape(string x, params long[] shape) => Node("Reshape", [x, Integers(shape)]);

    private string Transpose(string x, params long[] order)
    {
        AttributeProto permutation = new() { Name = "perm", Type = AttributeProto.Types.AttributeType.Ints };
        permutation.Ints.Add(order);
        return Node("Transpose", [x], permutation);
    }

    private string Constant(double[] values, params long[] shape)
        => Constant(MemoryMarshal.AsBytes<double>(values), TensorProto.Types.DataType.Double, shape);

    private string Integers(params long[] values)
        => Constant(MemoryMarshal.AsBytes<long>(values), TensorProto.Types.DataType.Int64, values.Length);

    private string Constant(ReadOnlySpan<byte> bytes, TensorProto.Types.DataType type, params long[] shape)
    {
        TensorProto tensor = new()
        {
            Name = $"c{_graph.Initializer.Count}",
            DataType = (int)type,
            RawData = ByteString.CopyFrom(bytes),
        };
        tensor.Dims.Add(shape);
        _graph.Initializer.Add(tensor);
        return tensor.Name;
    }

    private string Node(string operation, IEnumerable<string> inputs, params AttributeProto[] attributes)
    {
        NodeProto node = new() { OpType = operation };
        node.Input.Add(inputs);
        node.Name = $"n{_graph.Node.Count}";
        node.Output.Add(node.Name);
        node.Attribute.Add(attributes);
        _graph.Node.Add(node);
        return node.Name;
    }

    private static AttributeProto Integer(string name, long value)
        => new() { Name = name, I = value, Type = AttributeProto.Types.AttributeType.Int };

    private static AttributeProto Text(string name, string value) => new()
    {
        Name = name,
        S = ByteString.CopyFromUtf8(value),
        Type = AttributeProto.Types.AttributeType.String,
    };

    private static ValueInfoProto Declare(string name, params long[] extents)
    {
        TensorShapeProto shape = new();
        foreach (long extent in extents)
            shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = extent });
        return new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto
            {
                TensorType = new TypeProto.Types.Tensor
                {
                    ElemType = (int)TensorProto.Types.DataType.Double,
                    Shape = shape,
                },
            },
        };
    }
}
