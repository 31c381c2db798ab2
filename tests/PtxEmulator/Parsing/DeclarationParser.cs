using System.Buffers.Binary;
using System.Globalization;

namespace PtxEmulator.Parsing;

/// <summary>Parses declarations of registers and variables.</summary>
internal sealed class DeclarationParser(TokenReader reader, OperandParser operands)
{
    /// <summary>The state space of a directive; false if the directive does not declare a variable.</summary>
    public static bool TryGetSpace(string directive, out StateSpace space)
    {
        space = directive switch
        {
            ".global" => StateSpace.Global,
            ".const" => StateSpace.Constant,
            ".shared" => StateSpace.Shared,
            ".local" => StateSpace.Local,
            ".param" => StateSpace.Parameter,
            _ => StateSpace.Generic,
        };
        return space != StateSpace.Generic;
    }

    /// <summary>Parses the declaration after <c>.reg</c>.</summary>
    public void ParseRegisters(Scope scope)
    {
        PtxType type = ParseType();
        do
        {
            string name = reader.ExpectWord();
            if (!reader.TryTake("<"))
            {
                Declare(scope, new Register(name, type));
                continue;
            }
            long count = reader.ExpectInteger();
            reader.Expect(">");
            for (int index = 0; index < count; index++)
                Declare(scope, new Register(name + index.ToString(CultureInfo.InvariantCulture), type));
        }
        while (reader.TryTake(","));
        reader.Expect(";");
    }

    /// <summary>Parses a variable declaration after its state space, including the semicolon.</summary>
    public IEnumerable<Variable> ParseVariables(StateSpace space, bool isExternal, Scope scope)
    {
        var variables = new List<Variable>();
        int alignment = ParseAlignment();
        int vector = reader.TryTake(".v2") ? 2 : reader.TryTake(".v4") ? 4 : 1;
        PtxType type = ParseType();
        do
        {
            Variable variable = ParseDeclarator(space, type, vector, alignment, isExternal);
            Declare(scope, variable);
            if (reader.TryTake("="))
                ParseInitialValue(variable, scope);
            variables.Add(variable);
        }
        while (reader.TryTake(","));
        reader.Expect(";");
        return variables;
    }

    /// <summary>Parses one parameter of a function.</summary>
    public Variable ParseParameter(bool isEntry)
    {
        if (reader.TryTake(".reg"))
        {
            PtxType registerType = ParseType();
            string name = reader.ExpectWord();
            return new Variable
            {
                Name = name,
                Space = StateSpace.Local,
                Type = registerType,
                Alignment = registerType.Bytes,
                Bytes = registerType.Bytes,
                Register = new Register(name, registerType),
            };
        }
        reader.Expect(".param");
        int alignment = ParseAlignment();
        PtxType type = ParseType();
        if (reader.TryTake(".ptr"))
        {
            if (reader.Peek.Text is ".global" or ".const" or ".shared" or ".local")
                reader.Take();
            ParseAlignment();
        }
        return ParseDeclarator(isEntry ? StateSpace.Parameter : StateSpace.Local, type, 1, alignment, false);
    }

    /// <summary>Declares a variable whose name must be new in the scope.</summary>
    public void Declare(Scope scope, Variable variable)
    {
        if (!scope.TryDeclare(variable))
            throw reader.Error($"'{variable.Name}' is declared twice");
    }

    private void Declare(Scope scope, Register register)
    {
        if (!scope.TryDeclare(register))
            throw reader.Error($"'{register.Name}' is declared twice");
    }

    private Variable ParseDeclarator(StateSpace space, PtxType type, int vector, int alignment, bool isExternal)
    {
        string name = reader.ExpectWord();
        int elementBytes = type.Bytes * vector;
        long bytes = elementBytes;
        bool isUnsized = false;
        while (reader.TryTake("["))
        {
            isUnsized |= reader.IsNext("]");
            bytes *= reader.IsNext("]") ? 0 : reader.ExpectInteger();
            reader.Expect("]");
        }
        bool isDynamic = isUnsized && isExternal && space == StateSpace.Shared;
        return new Variable
        {
            Name = name,
            Space = space,
            Type = type,
            Alignment = Math.Max(alignment, elementBytes),
            Bytes = checked((int)bytes),
            IsDynamic = isDynamic,
        };
    }

    private int ParseAlignment() => reader.TryTake(".align") ? checked((int)reader.ExpectInteger()) : 1;

    private PtxType ParseType()
    {
        string text = reader.Peek.Text;
        if (text.StartsWith('.') && PtxType.TryParse(text[1..], out PtxType type))
        {
            reader.Take();
            return type;
        }
        throw reader.Error("expected a type");
    }

    private void ParseInitialValue(Variable variable, Scope scope)
    {
        var bytes = new List<byte>();
        ParseValues(variable, scope, bytes);
        if (variable.Bytes == 0)
            variable.Bytes = bytes.Count;
        if (bytes.Count > variable.Bytes)
            throw reader.Error(
                $"the values of '{variable.Name}' take {bytes.Count} bytes, but the variable has {variable.Bytes}");
        bytes.AddRange(new byte[Math.Max(0, variable.Bytes - bytes.Count)]);
        variable.InitialValue = [.. bytes];
    }

    private void ParseValues(Variable variable, Scope scope, List<byte> bytes)
    {
        if (reader.TryTake("{"))
        {
            while (!reader.TryTake("}"))
            {
                ParseValues(variable, scope, bytes);
                reader.TryTake(",");
            }
            return;
        }
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        if (reader.Peek.Kind == TokenKind.Word)
        {
            bool isGeneric = reader.TryTake("generic") && reader.TryTake("(");
            string name = reader.ExpectWord();
            if (scope.Find(name) is not Variable target)
                throw reader.Error($"'{name}' is not a variable");
            variable.Pointers.Add((bytes.Count, target, reader.TryTake("+") ? reader.ExpectInteger() : 0));
            if (isGeneric)
                reader.Expect(")");
        }
        else
        {
            ImmediateOperand literal = operands.ParseImmediate();
            BinaryPrimitives.WriteUInt64LittleEndian(value, Literals.ToBits(literal, variable.Type));
        }
        bytes.AddRange(value[..variable.Type.Bytes]);
    }
}
